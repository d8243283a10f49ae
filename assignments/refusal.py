"""What a course's configuration puts in the place of nbgrader's autograder."""

from nbgrader.preprocessors import NbGraderPreprocessor


class Refusal(NbGraderPreprocessor):
    """Refuse to run a submission unconfined."""

    def preprocess(self, nb, resources):
        raise RuntimeError("Grade with `python -m assignments grade`: it confines submissions and checks them outside.")

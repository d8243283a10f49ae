# nbgrader's configuration of this course: `nbgrader formgrader` and `nbgrader export` find the gradebook by it.
from pathlib import Path

from assignments.gradebook import COURSE

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = COURSE
c.CourseDirectory.root = str(Path(__file__).resolve().parent)

# Submissions are run by `python -m assignments grade`, confined, and checked outside their own process. nbgrader's own
# autograder would run them with your rights and believe what they say; here it refuses.
c.Autograde.sanitize_preprocessors = ["assignments.refusal.Refusal"]

# The book's environment, from the same requirements as everywhere.
#   docker build -t robustness-book .                            a processor
#   docker build -t robustness-book --build-arg DEVICE=cuda .    an NVIDIA GPU; run with --gpus all
#   mkdir -p _build  # Docker would make it as root
#   docker run --rm -v "$PWD/_build:/book/_build" robustness-book
FROM python:3.11-slim-bookworm
ARG DEVICE=cpu
WORKDIR /book
RUN useradd --uid 1000 --create-home reader && chown reader /book
COPY --chown=reader . .
# The index's own torch brings CUDA, which only a GPU needs.
RUN case "$DEVICE" in \
      cpu) export PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu ;; \
      cuda) ;; \
      *) echo "DEVICE must be cpu or cuda, not $DEVICE." >&2; exit 1 ;; \
    esac \
    && pip install --no-cache-dir -r requirements.txt
USER 1000
CMD ["python", "-m", "book", "build"]

# jaxrl on a CPU. The base image was not to be had when this was written, so the image
# was not built: wheel and constraints were resolved together, and every other line was checked by itself.
#
#     docker build -t jaxrl .
#     docker run --rm -it -v "$PWD/runs:/work/runs" jaxrl train pong --max_minutes 24
FROM python:3.12-slim AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:3.12-slim
# The lock as constraints: the same versions as in a clone, without what only development needs.
COPY requirements.lock /tmp/requirements.lock
COPY --from=wheel /wheel /tmp/wheel
RUN pip install --no-cache-dir --constraint /tmp/requirements.lock /tmp/wheel/*.whl && rm -r /tmp/wheel
# Runs land in the folder that is mounted at /work/runs, and belong to whoever --user names.
WORKDIR /work
ENV HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib
ENTRYPOINT ["jaxrl"]
CMD ["--help"]

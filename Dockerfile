# One image for every process; the command is the name of a process in the Procfile.
FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /venv
# The locked dependencies change seldom, so they are a layer of their own.
COPY requirements-production.lock ./
RUN /venv/bin/pip install --require-hashes --no-deps -r requirements-production.lock
COPY setup.cfg pyproject.toml README.md ./
COPY console console
COPY pluggy_sync pluggy_sync
COPY webhook_app webhook_app
COPY workers workers
RUN /venv/bin/pip install --no-deps --no-build-isolation . && /venv/bin/pip uninstall --yes setuptools \
    && rm /venv/bin/pluggy-sandbox

FROM python:3.13-slim
# A new volume takes its owner from the folder that it covers.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin service \
    && install --directory --owner service --mode 0700 /var/lib/pluggy-sync/spill /var/lib/pluggy-sync/flower
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 HOST=0.0.0.0 PORT=8000 BEAT_SCHEDULE=/tmp/beat-schedule
WORKDIR /app
COPY --from=build /venv /venv
COPY Procfile ./
COPY bin bin
USER 10001
EXPOSE 8000
ENTRYPOINT ["/app/bin/run-process"]
CMD ["web"]

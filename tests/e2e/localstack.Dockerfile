# LocalStack with the bench's extensions, to test the docker target where LocalStack's own image cannot be had:
#
#   docker build -f tests/e2e/localstack.Dockerfile -t tickstream-localstack .
#   TICKSTREAM_DOCKER_IMAGE=tickstream-localstack python -m pytest tests/e2e/test_docker_target.py
#
# BASE: any image with Python 3.13 and pip.
ARG BASE=python:3.13-slim
FROM ${BASE}
WORKDIR /opt/tickstream
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY generator generator
COPY functions functions
COPY bench bench
RUN python -m pip install --no-cache-dir -c constraints.txt '.[bench]'
# The functions are processes of the container, and DynamoDB is in process: neither Docker in Docker nor Java.
ENV GATEWAY_LISTEN=0.0.0.0:4566 \
    FILESYSTEM_ROOT=/tmp/localstack \
    LAMBDA_RUNTIME_EXECUTOR=process \
    PROVIDER_OVERRIDE_DYNAMODB=memory \
    TICKSTREAM_EMULATOR_TOKEN=container
EXPOSE 4566
WORKDIR /tmp
CMD ["python", "-m", "localstack.runtime.main"]

# syntax=docker/dockerfile:1
FROM rust:1.95-bookworm AS builder
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY sql sql
COPY src src
# The caches outlive a build: a change of our code compiles our code.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked && cp target/release/deskie-cdc /deskie-cdc

FROM debian:bookworm-slim
COPY --from=builder /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=builder /deskie-cdc /usr/local/bin/deskie-cdc
# Where the simulator of docker-compose.yml keeps its books: a new volume takes over whose folder it is.
RUN install -d -o 10001 -g 10001 /var/lib/deskie
ENV DESKIE_CDC_CONFIG=/etc/deskie-cdc/deskie-cdc.toml
WORKDIR /etc/deskie-cdc
USER 10001:10001
# Webhooks; the admin port, 8788, is nobody else's business.
EXPOSE 8787
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["deskie-cdc", "healthcheck"]
ENTRYPOINT ["deskie-cdc"]
CMD ["run"]

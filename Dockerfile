# Pinned by version, so that a build brings Debian's security updates along. By digest: --build-arg RUST_IMAGE=…@sha256:…
# with what `docker buildx imagetools inspect rust:1.95-bookworm` says, and BASE_IMAGE alike.
ARG RUST_IMAGE=rust:1.95-bookworm
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${RUST_IMAGE} AS builder
WORKDIR /build
COPY Cargo.toml Cargo.lock build.rs ./
COPY sql sql
COPY src src
COPY crates crates
# What `--version` says of it: --build-arg DESKIE_CDC_COMMIT="$(git log -1 --format='%h, %cs')"
ARG DESKIE_CDC_COMMIT=
# The caches outlive a build: a change of our code compiles our code alone. That is always done anew: the sources may be
# older than what the cache holds, which cargo, going by their times, would not see.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target,sharing=locked \
    cargo clean --release --package deskie-cdc --package deskie-cdc-sandbox \
    && cargo build --release --locked \
    && cp target/release/deskie-cdc /deskie-cdc

FROM ${BASE_IMAGE}
COPY --from=builder /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=builder /deskie-cdc /usr/local/bin/deskie-cdc
# Where the simulator of docker-compose.yml keeps its books: a new volume takes over whose folder it is.
RUN install -d -o 10001 -g 10001 /var/lib/deskie
ENV DESKIE_CDC_CONFIG=/etc/deskie-cdc/deskie-cdc.toml
WORKDIR /etc/deskie-cdc
USER 10001:10001
# Webhooks; the admin port, 8788, is nobody else's business.
EXPOSE 8787
# Healthy is: it can work. A start waits for the database, and for another instance to give the lead away.
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["deskie-cdc", "healthcheck"]
ENTRYPOINT ["deskie-cdc"]
CMD ["run"]

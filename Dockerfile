# The agent's image: built from source, run as a non-root user.
#   docker build -t trailcast .
#   docker run -v "$PWD/trailcast.yaml:/etc/trailcast/trailcast.yaml:ro" -v trailcast-state:/var/lib/trailcast trailcast
ARG BUILD_IMAGE=golang:1.26-bookworm
ARG RUN_IMAGE=debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/trailcast ./cmd/trailcast \
 && mkdir -p /out/state

FROM ${RUN_IMAGE}
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/trailcast /usr/local/bin/trailcast
COPY --from=build --chown=65532:65532 --chmod=0700 /out/state /var/lib/trailcast
USER 65532:65532
VOLUME /var/lib/trailcast
# Metrics and health; published only when the configuration listens on more than loopback.
EXPOSE 9464
ENTRYPOINT ["/usr/local/bin/trailcast"]
CMD ["run", "-c", "/etc/trailcast/trailcast.yaml"]

# The agent's image: built from source, run as a non-root user.
#   docker build -t trailcast .
#   docker run -v "$PWD/trailcast.yaml:/etc/trailcast/trailcast.yaml:ro" -v trailcast-state:/var/lib/trailcast trailcast
#
# Fluent Bit's image with the plugin, and an image that copies the plugin into /plugins (an init container's):
#   docker build --target fluent-bit -t trailcast-fluent-bit .
#   docker build --target plugin -t trailcast-plugin .
ARG BUILD_IMAGE=golang:1.26-bookworm
ARG RUN_IMAGE=debian:bookworm-slim
ARG FLUENT_BIT_IMAGE=fluent/fluent-bit:5.1.1
ARG COPY_IMAGE=busybox:stable

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/trailcast ./cmd/trailcast \
 && mkdir -p /out/state

# The plugin runs where glibc is at least as new as here.
FROM build AS plugin-build
RUN make plugin VERSION=${VERSION} && mv out_trailcast.so /out/

FROM ${COPY_IMAGE} AS plugin
COPY --from=plugin-build /out/out_trailcast.so /out_trailcast.so
CMD ["cp", "/out_trailcast.so", "/plugins/out_trailcast.so"]

FROM ${FLUENT_BIT_IMAGE} AS fluent-bit
COPY --from=plugin-build /out/out_trailcast.so /fluent-bit/plugins/out_trailcast.so
COPY configs/fluent-bit/plugins.conf /fluent-bit/etc/plugins.conf
CMD ["/fluent-bit/bin/fluent-bit", "-e", "/fluent-bit/plugins/out_trailcast.so", "-c", "/fluent-bit/etc/fluent-bit.conf"]

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

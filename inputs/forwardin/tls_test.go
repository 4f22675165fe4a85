package forwardin

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"os"
	"testing"

	"github.com/trailcast/trailcast/internal/listener"
)

func TestTLS(t *testing.T) {
	cert, key := certificate(t)
	pem, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	trusting := &tls.Config{RootCAs: roots}
	proven := &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}

	s := start(t, Config{TLS: &listener.TLS{CertFile: cert, KeyFile: key}, SharedKey: "k"}, openSink())
	c, err := s.dialTLS(trusting)
	if err != nil {
		t.Fatal(err)
	}
	c.login("k")
	c.send(chunkOf("c", `{"a":1}`))
	c.acked("c")
	plain := s.dial()
	plain.send(chunkOf("c", `{"a":1}`))
	_, _ = io.Copy(io.Discard, plain.nc) // an alert of TLS, perhaps, and the end
	if n := len(s.sink.got()); n != 1 {
		t.Errorf("%d events", n)
	}

	mutual := start(t, Config{TLS: &listener.TLS{CertFile: cert, KeyFile: key, ClientCAFile: cert}}, openSink())
	c, err = mutual.dialTLS(proven)
	if err != nil {
		t.Fatal(err)
	}
	c.send(chunkOf("c", `{"a":1}`))
	c.acked("c")
	c.done()
	if c, err := mutual.dialTLS(trusting); err == nil { // TLS 1.3 refuses after the client's handshake
		_, _ = c.nc.Write(chunkOf("d", `{"a":2}`))
		c.closed()
	}
	if got := mutual.sink.bodies(); got != `{"a":1}` {
		t.Errorf("got %s", got)
	}
}

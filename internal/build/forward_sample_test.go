package build

import (
	"context"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ugorji/go/codec"
)

// runForward is an agent that sends one line of a log over TLS, and waits for its acknowledgement.
func runForward(t *testing.T, b *bench) {
	dir, err := os.MkdirTemp("", "fw") // paths of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	pair, authority := selfSigned(t)
	secret, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	socket, cert, key := filepath.Join(dir, "s"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, text := range map[string][]byte{cert: authority, key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b.env["TRAILCAST_FORWARD"], b.env["TRAILCAST_FORWARD_KEY"] = socket, "the key"
	b.env["TRAILCAST_TLS_CERT"], b.env["TRAILCAST_TLS_KEY"] = cert, key

	agent := b.build(t, "forward.yaml")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- agent.Run(ctx) }()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	raw, err := net.Dial("unix", socket)
	for ; err != nil && ctx.Err() == nil; raw, err = net.Dial("unix", socket) {
		time.Sleep(5 * time.Millisecond) // until it listens
	}
	if err != nil {
		t.Fatal(err)
	}
	nc := tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"})
	defer func() { _ = nc.Close() }()
	send(t, nc)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	stats := agent.Stats()
	account(t, stats)
	lines := b.lines(t, "app.cloudtrail")
	if delivered(t, stats, "archive") != 1 || len(lines) != 1 || !strings.Contains(lines[0], `"trailcast":{"v":1`) {
		t.Errorf("lines %q", lines)
	}
}

// send is a client of the forward protocol, from the handshake to the acknowledgement.
func send(t *testing.T, nc net.Conn) {
	t.Helper()
	h := &codec.MsgpackHandle{}
	h.RawToString = true
	in, out := codec.NewDecoder(nc, h), codec.NewEncoder(nc, h)
	var helo []any
	if err := in.Decode(&helo); err != nil {
		t.Fatal(err)
	}
	digest := func(parts ...string) string {
		sum := sha512.Sum512([]byte(strings.Join(parts, "")))
		return hex.EncodeToString(sum[:])
	}
	nonce := helo[1].(map[any]any)["nonce"].(string)
	if err := out.Encode([]any{"PING", "host", "salt", digest("salt", "host", nonce, "the key"), "", ""}); err != nil {
		t.Fatal(err)
	}
	var pong []any
	if err := in.Decode(&pong); err != nil || pong[1] != true {
		t.Fatalf("%v, %v", pong, err)
	}
	record := map[string]any{"log": `{"eventVersion":"1.08","eventSource":"s3.amazonaws.com","eventName":"GetObject","eventID":"x"}`}
	message := []any{"app.cloudtrail", []any{[]any{time.Now().Unix(), record}}, map[string]any{"chunk": "c"}}
	if err := out.Encode(message); err != nil {
		t.Fatal(err)
	}
	var ack map[string]any
	if err := in.Decode(&ack); err != nil || ack["ack"] != "c" {
		t.Fatalf("%v, %v", ack, err)
	}
}

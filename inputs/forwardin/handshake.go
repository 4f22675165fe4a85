package forwardin

import (
	"context"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"time"
)

// maxPing is the largest answer to a HELO.
const maxPing = 8 << 10

// refusal is a client that may not write, with what it is told.
type refusal struct{ reason string }

func (e *refusal) Error() string { return "the client is refused: " + e.reason }

// greet does the handshakes of TLS and of the protocol.
func (c *conn) greet(ctx context.Context) error {
	deadline := time.Now().Add(c.in.config.HandshakeTimeout)
	c.reader.until = deadline
	defer func() { c.reader.until = time.Time{} }()
	if err := c.nc.SetWriteDeadline(deadline); err != nil {
		return err
	}
	if secure, ok := c.nc.(*tls.Conn); ok {
		handshake, cancel := context.WithDeadline(ctx, deadline)
		defer cancel()
		if err := secure.HandshakeContext(handshake); err != nil {
			return fmt.Errorf("TLS: %w", err)
		}
	}
	key, err := c.in.sharedKey()
	if err != nil || key == "" {
		return err
	}
	server := newChallenge(key, c.in.config.SelfHostname, len(c.in.config.Users) > 0)
	if _, err := c.nc.Write(server.helo()); err != nil { // in one piece: Fluent Bit reads once
		return err
	}
	v, err := c.stream.next(ctx, maxPing)
	if err != nil {
		if errors.Is(err, errTooLarge) {
			err = protocolErrorf("what comes is no answer to HELO (does the client have a shared key?)")
		}
		return err
	}
	p, err := parsePing(v)
	if err != nil {
		return err
	}
	err = server.check(p, func(name string) (string, bool) {
		password, ok := c.in.config.Users[name]
		return string(password), ok
	})
	if _, writeErr := c.nc.Write(server.pong(p, err)); err == nil {
		err = writeErr
	}
	return err
}

// sharedKey returns the shared key, or "" where there is none.
func (in *Input) sharedKey() (string, error) {
	if in.config.SharedKeyFile == "" {
		return string(in.config.SharedKey), nil
	}
	text, err := os.ReadFile(in.config.SharedKeyFile)
	if err != nil {
		return "", err
	}
	key := strings.TrimRight(string(text), "\r\n")
	if key == "" {
		return "", fmt.Errorf("%s is empty", in.config.SharedKeyFile)
	}
	return key, nil
}

// challenge is the server's side of one handshake.
type challenge struct {
	key, hostname, nonce string
	salt                 string // for passwords; "" when no users are asked for
}

// newChallenge makes the random parts. They are printable, since not every client keeps bytes that are no text.
func newChallenge(key, hostname string, users bool) challenge {
	random := func() string {
		b := make([]byte, 18)
		_, _ = rand.Read(b) // never fails
		return base64.RawURLEncoding.EncodeToString(b)
	}
	ch := challenge{key: key, hostname: hostname, nonce: random()}
	if users {
		ch.salt = random()
	}
	return ch
}

func (ch *challenge) helo() []byte {
	b := appendText([]byte{0x92}, "HELO")
	b = append(b, 0x83)
	b = appendText(appendText(b, "nonce"), ch.nonce)
	b = appendText(appendText(b, "auth"), ch.salt)
	return append(appendText(b, "keepalive"), 0xc3)
}

// ping is what a client answers.
type ping struct{ hostname, salt, digest, user, password string }

func parsePing(v []byte) (p ping, err error) {
	parts, err := elements(v, 6, 6)
	if err != nil {
		return p, protocolErrorf("what comes is no answer to HELO (does the client have a shared key?)")
	}
	kind := ""
	for i, to := range []*string{&kind, &p.hostname, &p.salt, &p.digest, &p.user, &p.password} {
		text, ok := parts[i].Text()
		if !ok && !parts[i].IsNil() {
			return p, protocolErrorf("a PING holds what is no text")
		}
		*to = string(text)
	}
	if kind != "PING" {
		return p, protocolErrorf("a handshake of kind %.20q, not PING", kind)
	}
	return p, nil
}

// check is nil for a client that knows the key and, where users are asked for, is one of them. What is compared, and for
// how long, does not depend on how much of it is right.
func (ch *challenge) check(p ping, password func(user string) (string, bool)) error {
	if !equal(p.digest, digest(p.salt, p.hostname, ch.nonce, ch.key)) {
		return &refusal{"shared_key mismatch"}
	}
	if ch.salt == "" {
		return nil
	}
	secret, known := password(p.user)
	if right := equal(p.password, digest(ch.salt, p.user, secret)); !right || !known {
		return &refusal{"username/password mismatch"}
	}
	return nil
}

// pong answers a PING; err is why the client is refused.
func (ch *challenge) pong(p ping, err error) []byte {
	b := appendText([]byte{0x95}, "PONG")
	if r, ok := errors.AsType[*refusal](err); ok {
		b = appendText(append(b, 0xc2), r.reason)
		return appendText(appendText(b, ""), "")
	}
	b = appendText(append(b, 0xc3), "")
	b = appendText(b, ch.hostname)
	return appendText(b, digest(p.salt, ch.hostname, ch.nonce, ch.key))
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// digest is the protocol's: SHA-512 of all parts one after the other, in hex digits.
func digest(parts ...string) string {
	h := sha512.New()
	for _, p := range parts {
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// appendText appends a MessagePack string of at most 65535 bytes.
func appendText(dst []byte, s string) []byte {
	switch n := len(s); {
	case n < 32:
		dst = append(dst, 0xa0|byte(n))
	case n <= math.MaxUint8:
		dst = append(dst, 0xd9, byte(n))
	default:
		dst = binary.BigEndian.AppendUint16(append(dst, 0xda), uint16(n))
	}
	return append(dst, s...)
}

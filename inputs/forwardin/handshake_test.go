package forwardin

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trailcast/trailcast/internal/conf"
)

// hello reads a HELO.
func (c *client) hello() (nonce, auth string) {
	c.t.Helper()
	v, err := c.read()
	helo, ok := v.([]any)
	if err != nil || !ok || len(helo) != 2 || helo[0] != "HELO" {
		c.t.Fatalf("got %v, %v, want a HELO", v, err)
	}
	o := helo[1].(map[string]any)
	if o["keepalive"] != true || o["nonce"] == "" {
		c.t.Errorf("HELO %v", o)
	}
	return o["nonce"].(string), o["auth"].(string)
}

// pong answers a HELO and returns the server's answer to that.
func (c *client) pong(ping []byte) []any {
	c.t.Helper()
	c.send(ping)
	v, err := c.read()
	pong, ok := v.([]any)
	if err != nil || !ok || len(pong) != 5 || pong[0] != "PONG" {
		c.t.Fatalf("got %v, %v, want a PONG", v, err)
	}
	return pong
}

// login does the handshake of a client that knows the key.
func (c *client) login(key string) {
	c.t.Helper()
	nonce, _ := c.hello()
	if p := c.pong(pingOf("salt", "host", digest("salt", "host", nonce, key), "", "")); p[1] != true {
		c.t.Fatalf("refused: %v", p)
	}
}

func pingOf(salt, host, digest, user, password string) []byte {
	return array(text("PING"), text(host), text(salt), text(digest), text(user), text(password))
}

func TestHandshake(t *testing.T) {
	const key = "the key"
	right := func(nonce, auth string) []byte {
		return pingOf("salt\xff", "host", digest("salt\xff", "host", nonce, key), "", "")
	}
	user := func(name, password string) func(string, string) []byte {
		return func(nonce, auth string) []byte {
			return pingOf("s", "host", digest("s", "host", nonce, key), name, digest(auth, name, password))
		}
	}
	users := map[string]conf.Secret{"edge": "secret", "other": "else"}
	for name, c := range map[string]struct {
		users  map[string]conf.Secret
		ping   func(nonce, auth string) []byte
		reason string // "": taken
	}{
		"the key":                    {nil, right, ""},
		"the key and a user":         {users, user("edge", "secret"), ""},
		"a user where none is asked": {nil, user("any", "thing"), ""},
		"another key": {nil, func(nonce, _ string) []byte {
			return pingOf("s", "host", digest("s", "host", nonce, "guess"), "", "")
		}, "shared_key mismatch"},
		"no key": {nil, func(nonce, _ string) []byte {
			return pingOf("s", "host", digest("s", "host", nonce, ""), "", "")
		}, "shared_key mismatch"},
		"another host": {nil, func(nonce, _ string) []byte {
			return pingOf("s", "host", digest("s", "other", nonce, key), "", "")
		}, "shared_key mismatch"},
		"another nonce": {nil, func(string, string) []byte {
			return pingOf("s", "host", digest("s", "host", "nonce", key), "", "")
		}, "shared_key mismatch"},
		"an empty digest": {nil, func(string, string) []byte { return pingOf("s", "host", "", "", "") }, "shared_key mismatch"},
		"a part of the digest": {nil, func(nonce, _ string) []byte {
			return pingOf("s", "host", digest("s", "host", nonce, key)[:127], "", "")
		}, "shared_key mismatch"},
		"another password":      {users, user("edge", "guess"), "username/password mismatch"},
		"another's password":    {users, user("edge", "else"), "username/password mismatch"},
		"an unknown user":       {users, user("nobody", ""), "username/password mismatch"},
		"no user":               {users, right, "username/password mismatch"},
		"a user, but not a key": {users, func(_, auth string) []byte { return pingOf("s", "h", "", "edge", digest(auth, "edge", "secret")) }, "shared_key mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Config{SharedKey: key, Users: c.users, SelfHostname: "server"}, openSink())
			cl := s.dial()
			nonce, auth := cl.hello()
			if (auth != "") != (c.users != nil) {
				t.Errorf("auth is %q", auth)
			}
			ping := c.ping(nonce, auth)
			p := cl.pong(ping)
			if c.reason != "" {
				if p[1] != false || p[2] != c.reason || p[3] != "" || p[4] != "" {
					t.Errorf("got %v", p)
				}
				cl.closed()
				s.end()
				if log := s.logs.String(); !strings.Contains(log, c.reason) || strings.Contains(log, key) {
					t.Errorf("log: %s", log)
				}
				return
			}
			salt := "s"
			if bytes.Contains(ping, []byte("salt\xff")) {
				salt = "salt\xff"
			}
			if p[1] != true || p[3] != "server" || p[4] != digest(salt, "server", nonce, key) {
				t.Errorf("got %v", p)
			}
			cl.send(array(text("t"), array(packed(`{"a":1}`)), options("chunk", "c")))
			cl.acked("c")
		})
	}
}

func TestNoncesAreNew(t *testing.T) {
	s := start(t, Config{SharedKey: "k", Users: map[string]conf.Secret{"u": "p"}}, openSink())
	n1, a1 := s.dial().hello()
	n2, a2 := s.dial().hello()
	if n1 == n2 || a1 == a2 || n1 == a1 || len(n1) < 16 || len(a1) < 16 {
		t.Errorf("nonces %q and %q, salts %q and %q", n1, n2, a1, a2)
	}
}

func TestEventsBeforeTheHandshakeAreRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"a message":     array(text("t"), array(packed(`{"a":1}`)), options("chunk", "c")),
		"a heartbeat":   {0xc0},
		"five parts":    array(text("PING"), text(""), text(""), text(""), text("")),
		"another kind":  array(text("PONG"), text(""), text(""), text(""), text(""), text("")),
		"numbers":       array(text("PING"), []byte{1}, text(""), text(""), text(""), text("")),
		"a large claim": {0x96, 0xdb, 0xff, 0xff, 0xff, 0xff},
		"no msgpack":    {0xc1},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Config{SharedKey: "k"}, openSink())
			c := s.dial()
			c.hello()
			c.send(b)
			c.closed()
			if len(s.sink.got()) > 0 {
				t.Error("an event was taken")
			}
		})
	}
}

func TestSharedKeyFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first\n")
	s := start(t, Config{SharedKeyFile: file}, openSink())
	s.dial().login("first")
	write("second")
	s.dial().login("second")
	write("\n") // an empty one lets nobody in
	c := s.dial()
	c.closed()
}

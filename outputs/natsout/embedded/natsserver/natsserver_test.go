package natsserver

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/trailcast/trailcast/outputs/natsout/embedded"
)

func start(t *testing.T, c embedded.Config, o embedded.Options) embedded.Server {
	t.Helper()
	s, err := Start(c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

func TestServerKeepsItsStreams(t *testing.T) {
	before := goleak.IgnoreCurrent()
	c := embedded.Config{StoreDir: t.TempDir(), Listen: "127.0.0.1:-1"}
	for run := range 3 {
		s, err := Start(c, embedded.Options{})
		if err != nil {
			t.Fatal(err)
		}
		nc, err := nats.Connect(s.ClientURL())
		if err != nil {
			t.Fatalf("connect to %s: %v", s.ClientURL(), err)
		}
		js, err := nc.JetStream()
		if err != nil {
			t.Fatal(err)
		}
		if run == 0 {
			if _, err := js.AddStream(&nats.StreamConfig{Name: "A", Subjects: []string{"a.>"}}); err != nil {
				t.Fatal(err)
			}
		}
		ack, err := js.Publish("a.b", []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		if want := uint64(run + 1); ack.Sequence != want {
			t.Errorf("run %d: got sequence %d, want %d", run, ack.Sequence, want)
		}
		nc.Close()
		s.Shutdown()
		s.Shutdown()
	}
	goleak.VerifyNone(t, before)
}

func TestStoreDirectoryAndPortAreTakenOnce(t *testing.T) {
	dir := t.TempDir()
	first := start(t, embedded.Config{StoreDir: dir, Listen: "127.0.0.1:-1"}, embedded.Options{})
	if _, err := Start(embedded.Config{StoreDir: dir, Listen: "127.0.0.1:-1"}, embedded.Options{}); err == nil ||
		!strings.Contains(err.Error(), "in use by another server") {
		t.Errorf("second server on the same store_dir: got %v, want the error that it is in use", err)
	}

	other := embedded.Config{StoreDir: t.TempDir(), Listen: strings.TrimPrefix(first.ClientURL(), "nats://")}
	begin := time.Now()
	if _, err := Start(other, embedded.Options{}); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("second server on the same port: got %v, want the error that the address is in use", err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the refusal took %v", took)
	}

	// A failed start leaves nothing locked.
	other.Listen = "127.0.0.1:-1"
	start(t, other, embedded.Options{})
}

func TestLoopbackByDefault(t *testing.T) {
	c := embedded.Config{StoreDir: t.TempDir()}
	if !c.Loopback() {
		t.Error("the default address is not loopback")
	}
	for listen, want := range map[string]bool{
		"localhost:1": true, "[::1]:4222": true, "127.0.0.1:-1": true,
		"0.0.0.0:4222": false, ":4222": false, "192.0.2.1:4222": false, "nats.example:4222": false, "nonsense": false,
	} {
		if got := (&embedded.Config{Listen: listen}).Loopback(); got != want {
			t.Errorf("Loopback of %q: got %v, want %v", listen, got, want)
		}
	}
}

func TestCredentialsAreAsked(t *testing.T) {
	s := start(t, embedded.Config{StoreDir: t.TempDir(), Listen: "127.0.0.1:-1"}, embedded.Options{User: "trail", Password: "s3cret"})
	if nc, err := nats.Connect(s.ClientURL()); err == nil {
		nc.Close()
		t.Error("connected without password")
	}
	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo("trail", "s3cret"))
	if err != nil {
		t.Fatalf("connect with password: %v", err)
	}
	nc.Close()
}

func TestAddressOfAllInterfacesIsReachable(t *testing.T) {
	s := start(t, embedded.Config{StoreDir: t.TempDir(), Listen: "0.0.0.0:-1"}, embedded.Options{Token: "t"})
	host, _, err := net.SplitHostPort(strings.TrimPrefix(s.ClientURL(), "nats://"))
	if err != nil || host != "127.0.0.1" {
		t.Errorf("ClientURL %q: want 127.0.0.1", s.ClientURL())
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []embedded.Config{
		{Listen: "127.0.0.1"}, {Listen: "127.0.0.1:0"}, {Listen: "127.0.0.1:70000"}, {Listen: "a:b"},
		{MaxPayload: 65 << 20}, {SyncInterval: -1},
	} {
		if c.Validate() == nil {
			t.Errorf("%+v is valid", c)
		}
	}
	if err := (&embedded.Config{Listen: "[::1]:-1", MaxPayload: 64 << 20}).Validate(); err != nil {
		t.Error(err)
	}
}

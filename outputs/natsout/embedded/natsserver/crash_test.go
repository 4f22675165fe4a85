package natsserver

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/trailcast/trailcast/outputs/natsout/embedded"
)

// storeVariable names the store directory for a process of this test binary that publishes until it is killed.
const storeVariable = "EMBEDDED_STORE"

func TestPublishUntilKilled(t *testing.T) {
	dir := os.Getenv(storeVariable)
	if dir == "" {
		t.Skip("run by TestConfirmedMessagesSurviveAKill in a process of its own")
	}
	_, js := connect(t, start(t, embedded.Config{StoreDir: dir, Listen: "127.0.0.1:-1", SyncInterval: 1 << 40}, embedded.Options{}))
	if _, err := js.AddStream(&nats.StreamConfig{Name: "A", Subjects: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	for i := 1; ; i++ {
		if _, err := js.Publish("a", fmt.Appendf(nil, "message %d", i)); err != nil {
			t.Fatal(err)
		}
		fmt.Println("confirmed", i)
	}
}

func connect(t *testing.T, s embedded.Server) (*nats.Conn, nats.JetStreamContext) {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

func TestConfirmedMessagesSurviveAKill(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestPublishUntilKilled$")
	cmd.Env = append(os.Environ(), storeVariable+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	confirmed := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, err := fmt.Sscanf(lines.Text(), "confirmed %d", &confirmed); err != nil {
			t.Logf("the process says %q", lines.Text())
		}
		if confirmed == 500 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || confirmed < 500 {
		t.Fatalf("the process ended by itself after %d confirmations: %v", confirmed, err)
	}

	// The kill released the lock of the directory.
	_, js := connect(t, start(t, embedded.Config{StoreDir: dir, Listen: "127.0.0.1:-1"}, embedded.Options{}))
	for i := 1; i <= confirmed; i++ {
		m, err := js.GetMsg("A", uint64(i))
		if err != nil || string(m.Data) != fmt.Sprintf("message %d", i) {
			t.Fatalf("message %d of %d that were confirmed: got %v (%v)", i, confirmed, m, err)
		}
	}
}

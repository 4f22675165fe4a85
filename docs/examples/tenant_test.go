package examples

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/natsconn"
	"github.com/trailcast/trailcast/outputs/natsout"
	"github.com/trailcast/trailcast/outputs/outputtest"
	"github.com/trailcast/trailcast/pipeline"
)

const ownAccount, otherAccount = "111122223333", "123456789012"

// startConfigured runs a server with the permissions of nats-server.conf.
func startConfigured(t *testing.T) *server.Server {
	t.Helper()
	for _, user := range []string{"TRAILCAST", "OPERATOR", "TENANT"} {
		t.Setenv(user+"_PASSWORD", "secret-"+strings.ToLower(user))
	}
	options, err := server.ProcessConfigFile("nats-server.conf")
	if err != nil {
		t.Fatal(err)
	}
	options.Port, options.StoreDir, options.NoSigs, options.NoLog = -1, t.TempDir(), true, true
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(limit) {
		t.Fatal("the server does not start")
	}
	return s
}

func dial(t *testing.T, s *server.Server, options ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func js(t *testing.T, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// A tenant reads the events of its own account and no others, live and from the stream; trailcast works with the few
// permissions that it is given.
func TestTenantReadsItsOwnAccountOnly(t *testing.T) {
	s := startConfigured(t)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	out, err := natsout.New(natsout.Config{
		URL:     []string{s.ClientURL()},
		Subject: conf.Text{Value: "audit.{account}.{region}.{service}.{action}"},
		Stream:  "AUDIT", Create: true,
		Identity: natsconn.Identity{User: "trailcast", Password: "secret-trailcast", InboxPrefix: "_INBOX_trailcast"},
	}, pipeline.Env{Name: "bus"})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close(ctx)
	if err := out.Check(ctx); err != nil {
		t.Fatal(err)
	}
	operator := js(t, dial(t, s, nats.UserInfo("operator", "secret-operator")))
	for _, account := range []string{ownAccount, otherAccount} {
		if _, err := operator.CreateConsumer(ctx, "AUDIT", jetstream.ConsumerConfig{
			Durable: "tenant-" + account, FilterSubject: "audit." + account + ".>", AckPolicy: jetstream.AckExplicitPolicy,
		}); err != nil {
			t.Fatal(err)
		}
	}

	tenant, live, refused := tenantConnection(t, s)
	for range 2 {
		select {
		case err := <-refused:
			if !strings.Contains(err.Error(), "Permissions Violation for Subscription") {
				t.Errorf("got %v, want a refusal of the subscription", err)
			}
		case <-ctx.Done():
			t.Fatal("subscriptions to foreign subjects are not refused")
		}
	}
	publish(t, ctx, out, outputtest.Events(0, 40)) // of two accounts in turn
	wantOwn(t, ctx, live, 20)
	if err := tenant.Flush(); err != nil {
		t.Fatal(err)
	}
	if len(live) > 0 {
		t.Errorf("the tenant has received %d more messages, the next on %s", len(live), (<-live).Subject)
	}

	wantOwnFromStream(t, ctx, js(t, tenant), 20)
	wantNoWayAround(t, tenant)
}

// tenantConnection subscribes as the tenant to its own subjects and to foreign ones.
func tenantConnection(t *testing.T, s *server.Server) (*nats.Conn, chan *nats.Msg, chan error) {
	t.Helper()
	refused := make(chan error, 100)
	nc := dial(t, s, nats.UserInfo("tenant-"+ownAccount, "secret-tenant"), nats.CustomInboxPrefix("_INBOX_tenant-"+ownAccount),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	live := make(chan *nats.Msg, 1000)
	for _, subject := range []string{"audit." + ownAccount + ".>", "audit." + otherAccount + ".>", "audit.>"} {
		if _, err := nc.ChanSubscribe(subject, live); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return nc, live, refused
}

func wantOwn(t *testing.T, ctx context.Context, live chan *nats.Msg, n int) {
	t.Helper()
	for range n {
		select {
		case m := <-live:
			if !strings.HasPrefix(m.Subject, "audit."+ownAccount+".") {
				t.Fatalf("the tenant has received %s", m.Subject)
			}
		case <-ctx.Done():
			t.Fatal("the tenant's own events do not arrive")
		}
	}
}

func wantOwnFromStream(t *testing.T, ctx context.Context, js jetstream.JetStream, n int) {
	t.Helper()
	consumer, err := js.Consumer(ctx, "AUDIT", "tenant-"+ownAccount)
	if err != nil {
		t.Fatalf("the tenant's own consumer: %v", err)
	}
	batch, err := consumer.Fetch(n, jetstream.FetchMaxWait(limit))
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for m := range batch.Messages() {
		count++
		if !strings.HasPrefix(m.Subject(), "audit."+ownAccount+".") {
			t.Errorf("the tenant has fetched %s", m.Subject())
		}
		if err := m.DoubleAck(ctx); err != nil {
			t.Error(err)
		}
	}
	if count != n {
		t.Errorf("the tenant has fetched %d messages, want %d (%v)", count, n, batch.Error())
	}
}

// wantNoWayAround tries the requests by which a tenant could reach foreign events or forge some.
func wantNoWayAround(t *testing.T, nc *nats.Conn) {
	t.Helper()
	for _, subject := range []string{
		"$JS.API.CONSUMER.INFO.AUDIT.tenant-" + otherAccount,
		"$JS.API.CONSUMER.MSG.NEXT.AUDIT.tenant-" + otherAccount,
		"$JS.API.CONSUMER.CREATE.AUDIT.mine",
		"$JS.API.CONSUMER.DURABLE.CREATE.AUDIT.mine",
		"$JS.API.STREAM.INFO.AUDIT",
		"$JS.API.STREAM.MSG.GET.AUDIT",
		"$JS.API.DIRECT.GET.AUDIT",
		"$JS.API.STREAM.DELETE.AUDIT",
		"audit." + ownAccount + ".forged",
	} {
		if m, err := nc.Request(subject, []byte("{}"), 100*time.Millisecond); err == nil {
			t.Errorf("a request to %s is answered: %.200s", subject, m.Data)
		}
	}
}

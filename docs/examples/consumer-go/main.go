// Command consumer-go reads audit events from a JetStream stream with a durable consumer and prints one line for each:
// subject, message id and the event, with tabs between them.
//
//	go run ./docs/examples/consumer-go -stream AUDIT -durable mine -filter 'audit.123456789012.>'
//
// Start it again and it goes on where it stopped. Start it twice and both share the work.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "consumer-go:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("consumer-go", flag.ContinueOnError)
	url := flags.String("url", nats.DefaultURL, "NATS server")
	creds := flags.String("creds", "", "credentials file")
	stream := flags.String("stream", "AUDIT", "stream to read")
	durable := flags.String("durable", "example", "name of the consumer, which remembers what was acknowledged")
	filter := flags.String("filter", "audit.>", "subjects to read")
	count := flags.Int("n", 0, "end after this many events; 0 means never")
	if err := flags.Parse(args); err != nil {
		return err
	}

	options := []nats.Option{nats.Name("consumer-go"), nats.MaxReconnects(-1)}
	if *creds != "" {
		options = append(options, nats.UserCredentials(*creds))
	}
	nc, err := nats.Connect(*url, options...)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", *url, err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}

	// The server keeps the position of a durable consumer. What is not acknowledged within AckWait comes again.
	consumer, err := js.CreateOrUpdateConsumer(ctx, *stream, jetstream.ConsumerConfig{
		Durable:       *durable,
		FilterSubject: *filter,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       30 * time.Second,
		DeliverPolicy: jetstream.DeliverAllPolicy,
	})
	if err != nil {
		return fmt.Errorf("consumer %s of stream %s: %w", *durable, *stream, err)
	}
	for done := 0; *count == 0 || done < *count; {
		size := 100
		if *count > 0 {
			size = min(size, *count-done)
		}
		batch, err := consumer.Fetch(size, jetstream.FetchMaxWait(time.Second))
		if err != nil {
			return fmt.Errorf("fetch: %w", err)
		}
		for msg := range batch.Messages() {
			if ctx.Err() != nil {
				_ = msg.Nak() // comes again at once, not only after AckWait
				continue
			}
			if err := handle(out, msg); err != nil {
				return err // not acknowledged: it comes again
			}
			// DoubleAck waits until the server has noted it. A plain Ack is faster; a lost one means a repeat.
			if err := msg.DoubleAck(ctx); err != nil {
				return fmt.Errorf("acknowledge: %w", err)
			}
			done++
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) {
			return fmt.Errorf("fetch: %w", err)
		}
	}
	return nil
}

// handle does the work for one event. Delivery is at least once: an event can come again when this program dies between
// handle and the acknowledgement, and when trailcast repeats one after the stream's duplicate window. Who must not act
// twice remembers Nats-Msg-Id: it is the same for each repeat and different for every other event.
func handle(out io.Writer, msg jetstream.Msg) error {
	oneLine := strings.NewReplacer("\n", " ", "\r", " ")
	event := oneLine.Replace(string(msg.Data()))
	_, err := fmt.Fprintf(out, "%s\t%s\t%s\n", msg.Subject(), msg.Headers().Get("Nats-Msg-Id"), event)
	return err
}

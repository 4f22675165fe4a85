package httpin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/klauspost/compress/gzip"
)

const (
	progress     = 64 << 10         // what must come by each deadline
	strangerTime = 15 * time.Second // how long all of a body may take whose sender is not known yet; SNS gives up after it
)

// pace is how fast a body must come: so many bytes by each deadline.
type pace struct {
	bytes  int64
	within time.Duration
}

// pace of a sender. One who is not known yet has one deadline for the whole body.
func (in *Input) pace(known bool, limit int64) pace {
	if known {
		return pace{progress, in.config.ReadTimeout}
	}
	return pace{limit + 1, min(in.config.ReadTimeout, strangerTime)}
}

// errBroken is a body that ends too early, or does not go on: nothing of it is fed.
var errBroken = errors.New("the body breaks off")

// readBody reads a body to its end. Memory is taken as bytes arrive, not as Content-Length claims. The error is errLarge
// beyond the limit, errFull, the context's, or one that wraps errBroken.
func (in *Input) readBody(ctx context.Context, w http.ResponseWriter, r *http.Request, limit int64, speed pace, held *share) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, errLarge
	}
	conn := http.NewResponseController(w)
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = conn.SetReadDeadline(time.Unix(1, 0))
		close(interrupted)
	})
	defer func() {
		if !stop() {
			<-interrupted // the connection is the server's again when the request has its answer
		}
	}()
	most := limit + 1 // one more byte tells that a body is too large, or at its end
	if r.ContentLength >= 0 {
		most = r.ContentLength + 1
	}
	var body []byte
	for credit := int64(0); ; {
		if credit <= 0 {
			credit = speed.bytes
			_ = conn.SetReadDeadline(time.Now().Add(speed.within))
			if err := ctx.Err(); err != nil { // the deadline may have undone the interruption's
				return nil, err
			}
		}
		if len(body) == cap(body) {
			var err error
			if body, err = held.enlarge(body, most); err != nil {
				return nil, err
			}
		}
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		credit -= int64(n)
		switch {
		case int64(len(body)) > limit:
			return nil, errLarge
		case err == io.EOF:
			return body, nil // the server has ended the deadline with the body
		case err != nil && ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, fmt.Errorf("%w: it did not go on in time (option read_timeout)", errBroken)
		case err != nil:
			return nil, fmt.Errorf("%w: %w", errBroken, err)
		}
	}
}

// gunzip unpacks a body that is to be looked at as a whole; one that is not compressed is returned as it is. The error is
// errLarge beyond max_decompressed or max_buffered, errFull, or says what is wrong with the data.
func (in *Input) gunzip(body []byte, held *share) ([]byte, error) {
	if !bytes.HasPrefix(body, []byte{0x1f, 0x8b}) {
		return body, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	limit := int64(in.config.MaxDecompressed)
	var plain []byte
	for {
		if len(plain) == cap(plain) {
			if plain, err = held.enlarge(plain, limit+1); err != nil {
				return nil, err
			}
		}
		n, err := z.Read(plain[len(plain):cap(plain)])
		plain = plain[:len(plain)+n]
		switch {
		case int64(len(plain)) > limit:
			return nil, errLarge
		case err == io.EOF:
			return plain, nil
		case err != nil:
			return nil, fmt.Errorf("gzip: %w", err)
		}
	}
}

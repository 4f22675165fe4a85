package s3in

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/trailcast/trailcast/formats/notice"
	"github.com/trailcast/trailcast/internal/awsconf"
)

const (
	answerWithin = 60 * time.Second // until an object's body begins
	byteWithin   = 60 * time.Second // between two pieces of it
	resumes      = 5                // tries to go on without a byte of progress
)

// body reads one object. Where the connection breaks, or S3 gives up since nobody has read for long, it goes on from
// there, as long as the object is still the same.
type body struct {
	ctx     context.Context
	clients *clients
	object  notice.Object

	etag    string // of what is read
	length  int64  // of the whole object; -1 where S3 does not tell
	read    int64
	current io.ReadCloser
	cancel  context.CancelFunc
	idle    *time.Timer
	failed  int // resumes in a row without progress
}

// open begins to read an object.
func open(ctx context.Context, clients *clients, object notice.Object) (*body, error) {
	b := &body{ctx: ctx, clients: clients, object: object}
	if err := b.get(); err != nil {
		return nil, err
	}
	return b, nil
}

func (b *body) get() error {
	in := &s3.GetObjectInput{Bucket: aws.String(b.object.Bucket), Key: aws.String(b.object.Key)}
	if b.object.VersionID != "" {
		in.VersionId = aws.String(b.object.VersionID)
	}
	if b.read > 0 {
		in.Range, in.IfMatch = aws.String("bytes="+strconv.FormatInt(b.read, 10)+"-"), aws.String(b.etag)
	}
	ctx, cancel := context.WithCancel(b.ctx)
	idle := time.AfterFunc(answerWithin, cancel)
	out, err := call(ctx, b.clients, b.object.Bucket, b.object.Region, func(client *s3.Client) (*s3.GetObjectOutput, error) {
		return client.GetObject(ctx, in)
	})
	if err != nil {
		cancel()
		idle.Stop()
		return awsconf.Failed(err, "s3:GetObject", b.name(), "kms:Decrypt (where objects are encrypted with a key of KMS)", "s3:GetObjectVersion (where a notice names a version)")
	}
	if b.read == 0 {
		b.etag, b.length = aws.ToString(out.ETag), -1
		if out.ContentLength != nil {
			b.length = *out.ContentLength
		}
	}
	b.current, b.cancel, b.idle = out.Body, cancel, idle
	return nil
}

func (b *body) name() string { return "s3://" + b.object.Bucket + "/" + b.object.Key }

// identity tells this content of the key from another.
func (b *body) identity() string {
	return strings.Trim(b.etag, `"`)
}

// Read implements io.Reader. Its end is that of the whole object: one that is cut off is an error.
func (b *body) Read(p []byte) (int, error) {
	for {
		if b.read == b.length {
			return 0, io.EOF
		}
		if b.current == nil {
			if err := b.get(); err != nil {
				return 0, err
			}
		}
		b.idle.Reset(byteWithin)
		n, err := b.current.Read(p)
		b.idle.Stop()
		b.read += int64(n)
		if n > 0 {
			b.failed = 0
			return n, nil // what is wrong shows again at the next call
		}
		if err == nil {
			continue
		}
		b.Close()
		switch {
		case b.ctx.Err() != nil:
			return 0, b.ctx.Err()
		case err == io.EOF && b.length < 0:
			return 0, err
		}
		if b.failed++; b.failed > resumes {
			return 0, fmt.Errorf("%s broke off at byte %d of %d: %w", b.name(), b.read, b.length, err)
		}
	}
}

// Close ends the connection.
func (b *body) Close() {
	if b.current == nil {
		return
	}
	b.idle.Stop()
	b.cancel()
	_ = b.current.Close() // nothing more is wanted of it
	b.current = nil
}

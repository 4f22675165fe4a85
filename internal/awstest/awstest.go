package awstest

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"go.uber.org/goleak"
)

//go:embed server.py
var serverScript string

// Region and Account are where everything in the emulator is.
const (
	Region  = "eu-west-1"
	Account = "123456789012"
)

// Server is a running emulator.
type Server struct {
	URL string

	stdin io.Closer // kept open: the emulator ends with it
}

// One emulator serves all tests of a test binary: they use names of their own (Name). It ends with the binary, whose end
// closes its standard input.
var shared = sync.OnceValues(start)

// Start returns the emulator, and sets credentials and region for the test's environment. Without Python the test is
// skipped, in CI it fails.
func Start(t testing.TB) *Server {
	t.Helper()
	server, err := shared()
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("no AWS emulator: %v", err)
		}
		t.Skipf("no AWS emulator: %v", err)
	}
	Environment(t)
	return server
}

// Environment gives a test credentials, and keeps those of whoever runs it out.
func Environment(t testing.TB) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_SESSION_TOKEN": "", "AWS_REGION": Region,
		"AWS_PROFILE": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
}

// NoLeaks checks at the end of the test that it has left no goroutine behind, but for those of idle connections. It is
// called before anything else of the test.
func NoLeaks(t testing.TB) {
	t.Helper()
	Start(t)
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
			goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"), goleak.IgnoreAnyFunction("net/http.(*conn).serve"))
	})
}

var names struct {
	sync.Mutex
	n int
}

// Name returns a name that no other test uses.
func Name(prefix string) string {
	names.Lock()
	defer names.Unlock()
	names.n++
	return fmt.Sprintf("%s-%d", prefix, names.n)
}

func start() (*Server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	python, err := Prepare(ctx)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(python, "-c", serverScript)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "MOTO_S3_CUSTOM_ENDPOINTS=")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var log lockedBuffer
	cmd.Stderr = &log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("moto does not start: %w\n%s", err, log.String())
	}
	go io.Copy(io.Discard, out)
	return &Server{URL: strings.TrimSpace(line), stdin: stdin}, nil
}

// Config returns an SDK configuration that goes to the emulator.
func (s *Server) Config() aws.Config {
	return aws.Config{Region: Region, BaseEndpoint: aws.String(s.URL), Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
}

// Python runs a script with boto3 and the emulator's URL in AWS_ENDPOINT_URL, and decodes the JSON that it prints into
// result.
func (s *Server) Python(t testing.TB, script string, result any, args ...string) {
	t.Helper()
	python, err := Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, append([]string{"-c", script}, args...)...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_PROFILE=") }) // even an empty one counts
	cmd.Env = append(cmd.Env, "AWS_ENDPOINT_URL="+s.URL, "AWS_DEFAULT_REGION="+Region)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	if err := json.Unmarshal(out, result); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

package gather

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"
)

// Sources say where sessions are looked for.
type Sources struct {
	// Places are files and directories, - for standard input, and the URLs
	//
	//	s3://bucket/prefix          CloudTrail's and Session Manager's objects
	//	nats://host:4222/STREAM     the messages of a JetStream stream; tls://… too
	//	lookup://eu-west-1          CloudTrail's event history of an account, in one or several regions (a,b)
	Places []string

	Since, Until time.Time // what was written before and long after need not be read; zero: no bound

	Profile, Region, RoleARN, ExternalID, Endpoint string // of AWS
	CredsFile, CAFile                              string // of NATS
}

// longestSession is how long after its start something of a session may still be written: Session Manager's preferences end
// sessions after 24 hours at most, CloudTrail delivers within minutes.
const longestSession = 25 * time.Hour

// from is from when on something may be written of sessions that were open in the period.
func (s *Sources) from() time.Time {
	if s.Since.IsZero() {
		return s.Since
	}
	return s.Since.Add(-longestSession)
}

// Config returns the places as a configuration for build.LoadSources. JSON is YAML.
func (s *Sources) Config() ([]byte, error) {
	if len(s.Places) == 0 {
		return nil, errors.New("no source is given: name files, directories, s3://bucket/prefix, nats://host:4222/STREAM or lookup://region")
	}
	var inputs []map[string]any
	var files []string
	for _, place := range s.Places {
		scheme, _, isURL := strings.Cut(place, "://")
		var input map[string]any
		var err error
		switch {
		case place == "-":
			input = item("stdin", map[string]any{})
		case !isURL:
			if _, err := os.Stat(place); err != nil {
				return nil, err
			}
			files = append(files, literal.Replace(place))
			continue
		case scheme == "s3":
			input, err = s.s3(place)
		case scheme == "nats" || scheme == "tls" || scheme == "ws" || scheme == "wss":
			input, err = s.stream(place)
		case scheme == "lookup":
			inputs = append(inputs, s.lookup(strings.TrimPrefix(place, "lookup://"))...)
			continue
		default:
			err = errors.New("the scheme is none of s3, nats, tls, lookup")
		}
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", shown(place), err)
		}
		inputs = append(inputs, input)
	}
	if len(files) > 0 {
		inputs = append(inputs, item("file", map[string]any{"paths": files}))
	}
	return json.Marshal(map[string]any{"inputs": inputs})
}

// literal escapes what means something in a glob.
var literal = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`, "{", `\{`, "}", `\}`)

// shown keeps passwords out of messages.
func shown(place string) string {
	if u, err := url.Parse(place); err == nil {
		return u.Redacted()
	}
	return "with that URL"
}

func (s *Sources) s3(place string) (map[string]any, error) {
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(place, "s3://"), "/")
	if bucket == "" {
		return nil, errors.New("it is not like s3://bucket/prefix")
	}
	c := s.aws(map[string]any{"bucket": bucket, "kinds": []string{"cloudtrail", "cloudtrail_new", "session", "other"}})
	set(c, "prefix", prefix)
	set(c, "start", day(s.from()))
	if !s.Until.IsZero() {
		set(c, "end", day(s.Until.Add(longestSession)))
	}
	return item("s3", c), nil
}

func (s *Sources) stream(place string) (map[string]any, error) {
	u, err := url.Parse(place)
	if err != nil {
		return nil, errors.New("it is no URL") // the error would print it
	}
	stream := strings.Trim(u.Path, "/")
	if stream == "" || strings.Contains(stream, "/") {
		return nil, errors.New("it is not like nats://host:4222/STREAM")
	}
	u.Path = ""
	c := map[string]any{"url": u.String(), "stream": stream, "once": true}
	set(c, "start", day(s.from()))
	set(c, "creds_file", s.CredsFile)
	if s.CAFile != "" {
		c["tls"] = map[string]any{"ca_file": s.CAFile}
	}
	return item("nats", c), nil
}

// calls are those that open, resume and end sessions. CloudTrail looks up one name at a time.
var calls = []string{"StartSession", "ResumeSession", "TerminateSession", "ExecuteCommand", "StartConnection", "CancelConnection"}

// eventHistory is how far back CloudTrail can be asked.
const eventHistory = 90 * 24 * time.Hour

func (s *Sources) lookup(regions string) []map[string]any {
	var inputs []map[string]any
	for _, call := range calls {
		c := s.aws(map[string]any{
			"follow": false, "attribute": map[string]any{"key": "EventName", "value": call},
			"window": "24h", "rate": 2 / float64(len(calls)), // of which CloudTrail allows two a second to all together
		})
		if regions != "" {
			c["regions"] = strings.Split(regions, ",")
			if _, ok := c["region"]; !ok {
				c["region"], _, _ = strings.Cut(regions, ",")
			}
		}
		since := s.from()
		if oldest := time.Now().Add(-eventHistory); since.Before(oldest) {
			since = oldest.Add(time.Hour)
		}
		set(c, "start", day(since))
		if until := s.Until.Add(longestSession); !s.Until.IsZero() && until.Before(time.Now()) {
			set(c, "end", day(until))
		}
		inputs = append(inputs, item("cloudtrail_lookup", c))
	}
	return inputs
}

func (s *Sources) aws(c map[string]any) map[string]any {
	for key, value := range map[string]string{
		"profile": s.Profile, "region": s.Region, "role_arn": s.RoleARN, "external_id": s.ExternalID, "endpoint": s.Endpoint,
	} {
		set(c, key, value)
	}
	return c
}

func item(component string, c map[string]any) map[string]any { return map[string]any{component: c} }

func set(c map[string]any, key, value string) {
	if value != "" {
		c[key] = value
	}
}

// day writes a time as inputs take it; "" for none.
func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

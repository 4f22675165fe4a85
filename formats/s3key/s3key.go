// Package s3key tells from an object's key what AWS has put there.
//
// The layout of CloudTrail's keys is that of the user guide's page "Finding your CloudTrail log files":
//
//	[prefix/]AWSLogs/[o-orgid/]ACCOUNT/CloudTrail[-Kind]/REGION/YYYY/MM/DD/ACCOUNT_CloudTrail[-Kind]_REGION_YYYYMMDDTHHmmZ_UNIQUE.json.gz
//
// The prefix is anything, with Control Tower an organisation's id; so nothing here is anchored at the key's beginning.
package s3key

import (
	"path"
	"strings"
	"time"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/lazyregexp"
)

// Kind is what a key says that an object is.
type Kind string

const (
	CloudTrail      Kind = "cloudtrail"       // management and data events
	Insight         Kind = "insight"          // CloudTrail-Insight
	NetworkActivity Kind = "network_activity" // CloudTrail-NetworkActivity
	Aggregated      Kind = "aggregated"       // CloudTrail-Aggregated
	NewCloudTrail   Kind = "cloudtrail_new"   // CloudTrail-<what is not known yet>
	Digest          Kind = "digest"           // CloudTrail-Digest: hashes of log files
	Session         Kind = "session"          // a Session Manager transcript
	Service         Kind = "service"          // another service's log below AWSLogs: Config, VPC flow logs, load balancers
	Folder          Kind = "folder"           // a key that ends with a slash: a mark of the console
	Other           Kind = "other"
)

// Kinds are the kinds that a configuration may name.
var Kinds = []Kind{CloudTrail, Insight, NetworkActivity, Aggregated, NewCloudTrail, Session, Service, Other}

// Info is what a key tells.
type Info struct {
	Kind    Kind
	Account string    // of what is below AWSLogs
	Region  string    // of CloudTrail's logs
	Day     time.Time // the date folders of CloudTrail's logs, UTC; zero when there are none
	Root    string    // the key up to and with REGION/: below it keys stand in the order of time; "" of other keys
}

var (
	trail   = lazyregexp.New(`AWSLogs/(?:o-[a-z0-9]+/)?(\d{12})/CloudTrail(?:-([A-Za-z0-9]+))?/([a-z0-9-]+)/(?:(\d{4}/\d{2}/\d{2})/)?`)
	service = lazyregexp.New(`AWSLogs/(?:o-[a-z0-9]+/)?(?:[^/]+/)??(\d{12})/[^/]+/`)
)

// Parse reads a key.
func Parse(key string) Info {
	if m := trail.FindStringSubmatchIndex(key); m != nil {
		info := Info{Kind: trailKind(group(key, m, 2)), Account: group(key, m, 1), Region: group(key, m, 3), Root: key[:m[7]+1]}
		if day, err := time.Parse("2006/01/02", group(key, m, 4)); err == nil {
			info.Day = day
		}
		if strings.HasSuffix(key, "/") {
			info.Kind = Folder
		}
		return info
	}
	switch name := path.Base(key); {
	case strings.HasSuffix(key, "/"):
		return Info{Kind: Folder}
	case split.IsSessionID(strings.TrimSuffix(name, ".log")) && strings.HasSuffix(name, ".log"):
		return Info{Kind: Session}
	}
	if m := service.FindStringSubmatch(key); m != nil {
		return Info{Kind: Service, Account: m[1]}
	}
	return Info{Kind: Other}
}

func group(s string, m []int, i int) string {
	if m[2*i] < 0 {
		return ""
	}
	return s[m[2*i]:m[2*i+1]]
}

func trailKind(suffix string) Kind {
	switch suffix {
	case "":
		return CloudTrail
	case "Insight":
		return Insight
	case "NetworkActivity":
		return NetworkActivity
	case "Aggregated":
		return Aggregated
	case "Digest":
		return Digest
	}
	return NewCloudTrail
}

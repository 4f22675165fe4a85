package s3in

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/trailcast/trailcast/formats/s3key"
	"github.com/trailcast/trailcast/internal/awsconf"
)

// branch is a part of a bucket that is listed by itself.
type branch struct {
	prefix string
	root   string // CloudTrail's folder of an account, a kind and a region: below it keys stand in the order of time; "" elsewhere
	flat   bool   // only what stands below the prefix up to the next slash
}

var (
	organisation = regexp.MustCompile(`^o-[a-z0-9]+/$`)
	account      = regexp.MustCompile(`^\d{12}/$`)
)

// branches finds CloudTrail's folders below the prefix, and the others that may have something to read. Where there are none of
// CloudTrail, or too many others, the prefix is one branch of its own.
func (l *listing) branches(ctx context.Context) ([]branch, error) {
	if info := s3key.Parse(l.config.Prefix); info.Root != "" {
		return []branch{{prefix: l.config.Prefix, root: info.Root}}, nil
	}
	s := &search{listing: l}
	err := s.descend(ctx, l.config.Prefix, 0)
	if err == nil && (!s.trails || s.others > maxOthers) {
		return []branch{{prefix: l.config.Prefix}}, nil
	}
	return s.found, err
}

const (
	maxLevels = 8    // of folders that are looked through: prefix, organisation, AWSLogs, organisation, account, CloudTrail, region
	maxOthers = 1000 // folders that are not CloudTrail's
	maxProbed = 100  // folders of the first level that are looked into for AWSLogs/
)

// search looks through the folders on the way to CloudTrail's.
type search struct {
	*listing
	trails bool // there are folders of accounts
	others int
	found  []branch
}

func (s *search) descend(ctx context.Context, prefix string, level int) error {
	folders, loose, err := s.folders(ctx, prefix)
	if err != nil || level == maxLevels {
		return err
	}
	if loose {
		s.found = append(s.found, branch{prefix: prefix, flat: true})
	}
	for _, folder := range folders {
		name := folder[strings.LastIndexByte(strings.TrimSuffix(folder, "/"), '/')+1:]
		inLogs := strings.Contains("/"+folder, "/AWSLogs/")
		info := s3key.Parse(folder + "x")
		switch {
		case name == "AWSLogs/", organisation.MatchString(name):
			err = s.descend(ctx, folder, level+1)
		case inLogs && account.MatchString(name):
			s.trails = true
			if s.wanted(s.config.Accounts, name) {
				err = s.descend(ctx, folder, level+1)
			}
		case inLogs && strings.HasPrefix(name, "CloudTrail"):
			if s.reads(folder + "xx-xxxx-0/x") {
				err = s.descend(ctx, folder, level+1)
			}
		case info.Root == folder:
			if s.wanted(s.config.Regions, name) {
				s.found = append(s.found, branch{prefix: folder, root: folder})
			}
		case inLogs: // another service's
			if s.reads(folder + "x") {
				s.other(folder)
			}
		default:
			err = s.probe(ctx, folder, level, len(folders))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// probe looks whether a folder is the prefix of a trail.
func (s *search) probe(ctx context.Context, folder string, level, siblings int) error {
	if level == 0 && siblings <= maxProbed {
		below, _, err := s.folders(ctx, folder)
		if err != nil {
			return err
		}
		if slices.Contains(below, folder+"AWSLogs/") {
			return s.descend(ctx, folder, level+1)
		}
	}
	s.other(folder)
	return nil
}

func (s *search) other(folder string) {
	if s.others++; s.others <= maxOthers {
		s.found = append(s.found, branch{prefix: folder})
	}
}

// reads reports whether objects with keys like this one may be read.
func (l *listing) reads(key string) bool {
	info := s3key.Parse(key)
	return l.objects.chooser.takes(key, &info) || info.Kind != s3key.Digest && len(l.config.Include) > 0
}

func (l *listing) wanted(list []string, folder string) bool {
	return len(list) == 0 || slices.Contains(list, strings.TrimSuffix(folder, "/"))
}

// folders lists what stands below a prefix up to the next slash. loose tells that there are objects to read among it.
func (l *listing) folders(ctx context.Context, prefix string) (folders []string, loose bool, err error) {
	err = l.pages(ctx, prefix, "", "/", func(page *s3.ListObjectsV2Output) bool {
		for _, p := range page.CommonPrefixes {
			folders = append(folders, aws.ToString(p.Prefix))
		}
		for _, o := range page.Contents {
			loose = loose || l.reads(aws.ToString(o.Key))
		}
		return len(folders) < 100_000
	})
	return folders, loose, err
}

// each lists the objects of a branch behind a key, in the order of keys, until more returns false.
func (l *listing) each(ctx context.Context, b branch, after string, more func(types.Object) bool) error {
	delimiter := ""
	if b.flat {
		delimiter = "/"
	}
	return l.pages(ctx, b.prefix, after, delimiter, func(page *s3.ListObjectsV2Output) bool {
		for _, o := range page.Contents {
			if !more(o) {
				return false
			}
		}
		return true
	})
}

func (l *listing) pages(ctx context.Context, prefix, after, delimiter string, more func(*s3.ListObjectsV2Output) bool) error {
	in := &s3.ListObjectsV2Input{Bucket: aws.String(l.config.Bucket), Prefix: aws.String(prefix)}
	if after != "" {
		in.StartAfter = aws.String(after)
	}
	if delimiter != "" {
		in.Delimiter = aws.String(delimiter)
	}
	for {
		page, err := l.page(ctx, in)
		if err != nil {
			return awsconf.Failed(err, "s3:ListBucket", "s3://"+l.config.Bucket+"/"+prefix)
		}
		if !more(page) || !aws.ToBool(page.IsTruncated) {
			return nil
		}
		in.ContinuationToken = page.NextContinuationToken
	}
}

func (l *listing) page(ctx context.Context, in *s3.ListObjectsV2Input) (*s3.ListObjectsV2Output, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	return call(ctx, l.objects.clients, l.config.Bucket, "", func(client *s3.Client) (*s3.ListObjectsV2Output, error) {
		return client.ListObjectsV2(ctx, in)
	})
}

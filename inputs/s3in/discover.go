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
}

var (
	organisation = regexp.MustCompile(`^o-[a-z0-9]+/$`)
	account      = regexp.MustCompile(`^\d{12}/$`)
)

// branches finds CloudTrail's folders below the prefix. Where there are none the prefix is one branch of its own.
func (l *listing) branches(ctx context.Context) ([]branch, error) {
	if info := s3key.Parse(l.config.Prefix); info.Root != "" {
		return []branch{{prefix: l.config.Prefix, root: info.Root}}, nil
	}
	var found []branch
	trails := false
	err := l.descend(ctx, l.config.Prefix, 0, &trails, &found)
	if err == nil && !trails {
		found = []branch{{prefix: l.config.Prefix}}
	}
	return found, err
}

// maxLevels of folders are looked through: prefix, organisation, AWSLogs, organisation, account, CloudTrail, region.
const maxLevels = 8

// descend looks through the folders on the way to CloudTrail's.
func (l *listing) descend(ctx context.Context, prefix string, level int, trails *bool, found *[]branch) error {
	folders, err := l.folders(ctx, prefix)
	if err != nil || level == maxLevels {
		return err
	}
	for _, folder := range folders {
		name := folder[strings.LastIndexByte(strings.TrimSuffix(folder, "/"), '/')+1:]
		inLogs := strings.Contains("/"+folder, "/AWSLogs/")
		switch {
		case name == "AWSLogs/", organisation.MatchString(name):
			err = l.descend(ctx, folder, level+1, trails, found)
		case inLogs && account.MatchString(name):
			*trails = true
			if l.wanted(l.config.Accounts, name) {
				err = l.descend(ctx, folder, level+1, trails, found)
			}
		case inLogs && strings.HasPrefix(name, "CloudTrail"):
			if l.reads(folder) {
				err = l.descend(ctx, folder, level+1, trails, found)
			}
		default:
			if info := s3key.Parse(folder + "x"); info.Root == folder && l.wanted(l.config.Regions, name) {
				*found = append(*found, branch{prefix: folder, root: folder})
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// reads reports whether objects of a CloudTrail folder may be read.
func (l *listing) reads(folder string) bool {
	key := folder + "xx-xxxx-0/x"
	info := s3key.Parse(key)
	return l.objects.chooser.takes(key, &info) || info.Kind != s3key.Digest && len(l.config.Include) > 0
}

func (l *listing) wanted(list []string, folder string) bool {
	return len(list) == 0 || slices.Contains(list, strings.TrimSuffix(folder, "/"))
}

// folders lists what stands below a prefix up to the next slash.
func (l *listing) folders(ctx context.Context, prefix string) ([]string, error) {
	var folders []string
	err := l.pages(ctx, prefix, "", "/", func(page *s3.ListObjectsV2Output) bool {
		for _, p := range page.CommonPrefixes {
			folders = append(folders, aws.ToString(p.Prefix))
		}
		return len(folders) < 100_000
	})
	return folders, err
}

// each lists the objects of a branch behind a key, in the order of keys, until more returns false.
func (l *listing) each(ctx context.Context, b branch, after string, more func(types.Object) bool) error {
	return l.pages(ctx, b.prefix, after, "", func(page *s3.ListObjectsV2Output) bool {
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

package record

import (
	"strings"

	"github.com/trailcast/trailcast/pipeline"
)

// accountOfOrigin returns the account that the envelope names, else the one in the name of the object.
func accountOfOrigin(o *pipeline.Origin) string {
	if o == nil {
		return ""
	}
	if o.Owner != "" {
		return o.Owner
	}
	account, _ := ParseObject(o.Object)
	return account
}

// regionOfOrigin returns the region that the envelope names, else the one in the name of the object.
func regionOfOrigin(o *pipeline.Origin) string {
	if o == nil {
		return ""
	}
	if o.Region != "" {
		return o.Region
	}
	_, region := ParseObject(o.Object)
	return region
}

// ParseObject finds account and region in the name of what records were read from; "" where it has none. Known are
// CloudTrail's keys, whatever prefix they have
//
//	[prefix/]AWSLogs/[o-orgid/]ACCOUNT/CloudTrail[-Kind]/REGION/YYYY/MM/DD/ACCOUNT_CloudTrail_REGION_TIME_UNIQUE.json.gz
//
// its file names alone, and its log streams (ACCOUNT_CloudTrail_REGION, with _N behind or o-orgid_ in front).
func ParseObject(name string) (account, region string) {
	if account, region = parseFileName(name); account != "" {
		return account, region
	}
	return parseFolders(name)
}

func parseFileName(name string) (account, region string) {
	const mark = "_CloudTrail"
	i := strings.LastIndex(name, mark)
	if i < accountDigits {
		return "", ""
	}
	account = name[i-accountDigits : i]
	if !isAccount(account) || i > accountDigits && !strings.ContainsRune("/_:\\", rune(name[i-accountDigits-1])) {
		return "", ""
	}
	_, region, _ = strings.Cut(name[i+1:], "_")
	region, _, _ = strings.Cut(region, "_")
	return account, onlyRegion(region)
}

func parseFolders(name string) (account, region string) {
	_, rest, ok := strings.Cut(name, "AWSLogs/")
	for ok && !isAccount(firstFolder(rest)) { // an organisation's id
		_, rest, ok = strings.Cut(rest, "/")
	}
	if !ok {
		return "", ""
	}
	account, rest, _ = strings.Cut(rest, "/")
	service, rest, _ := strings.Cut(rest, "/")
	if strings.HasPrefix(service, "CloudTrail") {
		region = onlyRegion(firstFolder(rest))
	}
	return account, region
}

func firstFolder(s string) string {
	folder, _, _ := strings.Cut(s, "/")
	return folder
}

const accountDigits = 12

func isAccount(s string) bool {
	if len(s) != accountDigits {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// onlyRegion returns s where it looks like a region's name. New regions appear and published data has made-up ones, so
// there is no list to compare with.
func onlyRegion(s string) string {
	if s == "" || strings.IndexByte(s, '-') < 0 || strings.ContainsAny(s, "./ ") {
		return ""
	}
	return s
}

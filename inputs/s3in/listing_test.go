package s3in

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/trailcast/trailcast/internal/awstest"
)

// run reads to the end.
func (b *bench) run() {
	b.Helper()
	if err := b.start().Wait(); err != nil {
		b.Fatal(err)
	}
}

// organisation puts an organisation's trail of some days: accounts, regions, kinds, and what else stands there.
func (b *bench) organisation() {
	b.Helper()
	for _, account := range []string{"111111111111", "222222222222"} {
		for _, region := range []string{"eu-west-1", "us-east-1"} {
			for _, day := range []string{"20251231", "20260101", "20260102", "20260103"} {
				id := account[:1] + "/" + region + "/" + day
				b.put(key(account, "CloudTrail", region, day+"T0005Z", "AAAA"), file(id))
			}
		}
		b.put(key(account, "CloudTrail-Digest", "eu-west-1", "20260101T0005Z", "AAAA"), packed(`{}`))
		b.put(key(account, "CloudTrail-Insight", "eu-west-1", "20260101T0005Z", "AAAA"), file(account[:1]+"/insight"))
		b.put("AWSLogs/o-abc123/"+account+"/Config/eu-west-1/2026/1/1/x.json.gz", packed(`{}`))
	}
	b.put("AWSLogs/o-abc123/", nil)
}

func TestBackfill(t *testing.T) {
	awstest.NoLeaks(t)
	b := newBench(t).byListing()
	b.organisation()
	b.config.Start, b.config.End = "2026-01-01", "2026-01-02"
	count, err := b.input().Count(t.Context())
	if err != nil || count.Objects != 10 || count.Bytes == 0 {
		t.Fatalf("%+v %v", count, err)
	}
	b.run()
	var want []string
	for _, account := range []string{"1", "2"} {
		want = append(want, account+"/insight")
		for _, region := range []string{"eu-west-1", "us-east-1"} {
			want = append(want, account+"/"+region+"/20260101", account+"/"+region+"/20260102")
		}
	}
	b.wantOnce(want...)
	// Again: nothing is read twice, and nothing is left to read.
	b.run()
	b.wantOnce(want...)
	if count, err := b.input().Count(t.Context()); err != nil || count.Objects != 0 {
		t.Errorf("%+v %v", count, err)
	}
}

func TestBackfillOfSome(t *testing.T) {
	b := newBench(t).byListing()
	b.organisation()
	b.config.Start, b.config.Accounts, b.config.Regions, b.config.Kinds = "2026-01-03", []string{"222222222222"}, []string{"us-east-1"}, []string{"cloudtrail"}
	b.run()
	b.wantOnce("2/us-east-1/20260103")
}

func TestBackfillBelowPrefix(t *testing.T) {
	for prefix, want := range map[string][]string{
		"AWSLogs/o-abc123/111111111111/CloudTrail/eu-west-1/2026/01/": {"1/eu-west-1/20260101", "1/eu-west-1/20260102", "1/eu-west-1/20260103"},
		"AWSLogs/o-abc123/111111111111/CloudTrail-Insight/":           {"1/insight"},
		"AWSLogs/o-abc123/22": {"2/insight", "2/eu-west-1/20251231", "2/eu-west-1/20260101", "2/eu-west-1/20260102", "2/eu-west-1/20260103",
			"2/us-east-1/20251231", "2/us-east-1/20260101", "2/us-east-1/20260102", "2/us-east-1/20260103"},
		"AWSLogs/none/": nil,
	} {
		t.Run(prefix, func(t *testing.T) {
			b := newBench(t).byListing()
			b.organisation()
			b.config.Prefix = prefix
			b.run()
			b.wantOnce(want...)
		})
	}
}

// TestResume stops a back-fill again and again: nothing is lost, and only what was in hand comes again.
func TestResume(t *testing.T) {
	b := newBench(t).byListing()
	b.config.MaxObjects = 2
	var ids []string
	for i := range 60 {
		ids = append(ids, fmt.Sprintf("%03d", i))
		b.put(key("111111111111", "CloudTrail", "eu-west-1", fmt.Sprintf("202601%02dT0005Z", i/3+1), ids[i]), file(ids[i]))
	}
	for stops := 0; stops < 5; stops++ {
		have := len(b.Events())
		a := b.start()
		b.Wait("some more", func() bool { return len(b.Events()) > have+5 || len(b.Events()) == len(ids) })
		_ = a.Stop()
	}
	b.run()
	got := b.Events()
	for _, id := range ids {
		if got[record(id)] == 0 {
			t.Errorf("%s is lost", id)
		}
	}
	if b.Total() > len(ids)+5*2 {
		t.Errorf("%d deliveries of %d events", b.Total(), len(ids))
	}
}

// TestFollow reads what is put later, late files too, and each once.
func TestFollow(t *testing.T) {
	b := newBench(t).byListing()
	b.config.Follow, b.config.Start, b.config.PollInterval = true, "2026-01-01", 50*time.Millisecond
	b.put(key("111111111111", "CloudTrail", "eu-west-1", "20260101T1000Z", "a"), file("a"))
	a := b.start()
	b.Wait("the first", func() bool { return len(b.Events()) == 1 })
	b.put(key("111111111111", "CloudTrail", "eu-west-1", "20260101T1005Z", "b"), file("b"))
	b.Wait("the second", func() bool { return len(b.Events()) == 2 })
	b.put(key("111111111111", "CloudTrail", "eu-west-1", "20260101T0930Z", "late"), file("late"))
	b.Wait("the late one", func() bool { return len(b.Events()) == 3 })
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	b.put(key("111111111111", "CloudTrail", "eu-west-1", "20260102T0000Z", "away"), file("away"))
	b.put(key("111111111111", "CloudTrail", "eu-west-1", "20260101T0931Z", "late2"), file("late2"))
	b.start()
	b.Wait("what came while nobody listened", func() bool { return len(b.Events()) == 5 })
	lists := b.proxy.Calls("ListObjects")
	b.Wait("more polls", func() bool { return b.proxy.Calls("ListObjects") > lists+5 })
	b.wantOnce("a", "b", "late", "away", "late2")
}

// TestFollowFromNow begins with what is put after the first start, whenever that was.
func TestFollowFromNow(t *testing.T) {
	b := newBench(t).byListing()
	b.config.Follow, b.config.PollInterval = true, 50*time.Millisecond
	now := time.Now().UTC()
	at := func(d time.Duration, unique string) string {
		return key("111111111111", "CloudTrail", "eu-west-1", now.Add(d).Format("20060102T1504Z"), unique)
	}
	b.put(at(-2*time.Hour, "old"), file("old"))
	a := b.start()
	b.Wait("a pass", func() bool { return b.proxy.Calls("ListObjects") > 6 })
	_ = a.Stop()
	b.put(at(2*time.Minute, "new"), file("new"))
	b.start()
	b.Wait("the new one", func() bool { return len(b.Events()) == 1 })
	b.wantOnce("new")
}

// TestFollowTranscripts follows keys that have no order in time, and one whose content changes.
func TestFollowTranscripts(t *testing.T) {
	b := newBench(t).byListing()
	b.config.Prefix, b.config.Follow, b.config.Start, b.config.PollInterval = "sessions/", true, "1h", 50*time.Millisecond
	put := func(id, text string) { b.put("sessions/"+id+".log", []byte(text)) }
	put("zoe-0a1b2c3d4e5f67890", "first")
	a := b.start()
	has := func(text string) func() bool {
		return func() bool {
			return slices.ContainsFunc(slices.Collect(maps.Keys(b.Events())), func(raw string) bool { return strings.Contains(raw, text) })
		}
	}
	b.Wait("the first", has("first"))
	put("alice-0a1b2c3d4e5f67891", "second")
	b.Wait("the second", has("second"))
	put("alice-0a1b2c3d4e5f67891", "changed")
	b.Wait("the changed one", has("changed"))
	_ = a.Stop()
	put("bob-0a1b2c3d4e5f67892", "away")
	b.start()
	b.Wait("what came while nobody listened", has("away"))
	lists := b.proxy.Calls("ListObjects")
	b.Wait("more polls", func() bool { return b.proxy.Calls("ListObjects") > lists+4 })
	if b.Total() != 4 {
		t.Errorf("%d deliveries: %v", b.Total(), b.Events())
	}
}

// TestPlain reads a bucket without CloudTrail's folders, twice.
func TestPlain(t *testing.T) {
	b := newBench(t).byListing()
	b.config.Include = []string{`\.json$`}
	b.put("a/one.json", []byte(record("one")))
	b.put("two.json", []byte(record("two")))
	b.put("notes.txt", []byte("hello"))
	b.run()
	b.wantOnce("one", "two")
	b.put("a/late.json", []byte(record("late"))) // a key before the last one
	b.run()
	b.wantOnce("one", "two", "late")
}

// TestListedAndGone has an object that is deleted between listing and reading, and others that can not be read at first.
func TestListedAndGone(t *testing.T) {
	b := newBench(t).byListing()
	gone := key("111111111111", "CloudTrail", "eu-west-1", "20260101T0005Z", "gone")
	b.put(gone, file("gone"))
	b.put(key("111111111111", "CloudTrail", "eu-west-1", "20260101T0006Z", "b"), file("b"))
	n := 0
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		switch {
		case c.Operation == "GetObject" && strings.HasSuffix(c.Path, gone):
			_, _ = b.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(b.bucket), Key: aws.String(gone)})
		case c.Operation == "GetObject":
			if n++; n <= 2 {
				return awstest.Fault{Status: 403, Code: "AccessDenied"}
			}
		}
		return awstest.Fault{}
	})
	b.run()
	b.wantOnce("b")
	if len(b.Aside()) != 1 || !strings.Contains(b.Aside()[0].Reason, "was gone") || b.Aside()[0].Origin.Object != "s3://"+b.bucket+"/"+gone {
		t.Errorf("in quarantine: %+v", b.Aside())
	}
}

// TestForbidden ends with an error that says what is missing.
func TestForbidden(t *testing.T) {
	b := newBench(t).byListing()
	b.proxy.Fail(func(awstest.Call) awstest.Fault { return awstest.Fault{Status: 403, Code: "AccessDenied"} })
	err := b.start().Wait()
	if err == nil || !strings.Contains(err.Error(), "the identity needs s3:ListBucket") {
		t.Error(err)
	}
}

// TestManyPages lists more objects than one page has.
func TestManyPages(t *testing.T) {
	b := newBench(t).byListing()
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if c.Operation == "ListObjects" {
			q := c.Request.URL.Query()
			q.Set("max-keys", "7")
			c.Request.URL.RawQuery = q.Encode()
		}
		return awstest.Fault{}
	})
	var ids []string
	for i := range 50 {
		ids = append(ids, fmt.Sprintf("%03d", i))
		b.put(key("111111111111", "CloudTrail", "eu-west-1", "20260101T0005Z", ids[i]), file(ids[i]))
	}
	b.run()
	b.wantOnce(ids...)
	if n := b.proxy.Calls("ListObjects"); n < 50/7 {
		t.Errorf("%d pages", n)
	}
}

// TestBesideTheTrail has more in a bucket than one trail: what stands beside it is read too, and goes by the same settings.
func TestBesideTheTrail(t *testing.T) {
	b := newBench(t).byListing()
	b.organisation()
	b.put(strings.Replace(key("111111111111", "CloudTrail", "eu-west-1", "20260102T0005Z", "BBBB"), "AWSLogs/o-abc123", "second/AWSLogs", 1), file("second"))
	b.put(strings.Replace(key("333333333333", "CloudTrail", "eu-west-1", "20260102T0005Z", "BBBB"), "AWSLogs/o-abc123", "second/AWSLogs", 1), file("third account"))
	b.put(strings.Replace(key("111111111111", "CloudTrail", "eu-west-1", "20260102T0005Z", "BBBB"), "AWSLogs/o-abc123", "a/b/AWSLogs", 1), file("deep"))
	b.put(strings.Replace(key("111111111111", "CloudTrail", "eu-west-1", "20240102T0005Z", "BBBB"), "AWSLogs/o-abc123", "a/b/AWSLogs", 1), file("deep and old"))
	b.put(strings.Replace(key("333333333333", "CloudTrail", "eu-west-1", "20260102T0005Z", "BBBB"), "AWSLogs/o-abc123", "a/b/AWSLogs", 1), file("deep, third account"))
	b.put("exports/some.json", file("export"))
	b.put("loose.json", file("loose"))
	b.put("other.json", file("not included"))
	b.put("exports/not.txt", file("not included either"))
	b.config.Prefix, b.config.Start, b.config.Accounts, b.config.Regions = "", "2026-01-02", []string{"111111111111"}, []string{"eu-west-1"}
	b.config.Include = []string{`^exports/.*\.json$`, `^loose`}
	count, err := b.input().Count(t.Context())
	if err != nil || count.Objects != 6 {
		t.Errorf("%+v %v", count, err)
	}
	b.run()
	b.wantOnce("1/eu-west-1/20260102", "1/eu-west-1/20260103", "second", "deep", "export", "loose")
}

// TestStrayKeys has keys in a folder of CloudTrail that sort behind its days.
func TestStrayKeys(t *testing.T) {
	b := newBench(t).byListing()
	root := "AWSLogs/o-abc123/111111111111/CloudTrail/eu-west-1/"
	b.put(key("111111111111", "CloudTrail", "eu-west-1", "20260101T0005Z", "AAAA"), file("first"))
	for _, stray := range []string{"2026_$folder$", "README", "tmp/x", "2026/01/01/zzz", "9999/12/31/111111111111_CloudTrail_eu-west-1_99991231T0000Z_AAAA.json.gz"} {
		b.put(root+stray, file(stray))
	}
	b.config.Follow, b.config.Start, b.config.PollInterval = true, "2026-01-01", 50*time.Millisecond
	b.start()
	b.Wait("what is there", func() bool { return len(b.Events()) == 6 })
	b.put(key("111111111111", "CloudTrail", "eu-west-1", "20260101T0010Z", "AAAA"), file("second"))
	b.put(key("111111111111", "CloudTrail", "eu-west-1", "20260102T0005Z", "AAAA"), file("third"))
	b.Wait("what comes later", func() bool { return len(b.Events()) == 8 })
	if b.Total() != 8 {
		t.Errorf("%d deliveries", b.Total())
	}
}

// TestEarlierStart reads what lies before the position of an earlier run.
func TestEarlierStart(t *testing.T) {
	b := newBench(t).byListing()
	b.organisation()
	b.config.Accounts, b.config.Regions, b.config.Kinds = []string{"111111111111"}, []string{"eu-west-1"}, []string{"cloudtrail"}
	b.config.Start, b.config.End = "2026-01-02", "2026-01-03"
	b.run()
	b.wantOnce("1/eu-west-1/20260102", "1/eu-west-1/20260103")
	b.config.Start, b.config.End = "2025-12-31", "2025-12-31"
	b.run()
	b.wantOnce("1/eu-west-1/20260102", "1/eu-west-1/20260103", "1/eu-west-1/20251231")
	b.config.Regions, b.config.Start, b.config.End = []string{"us-east-1"}, "2025-12-31", "2025-12-31"
	b.run()
	b.wantOnce("1/eu-west-1/20260102", "1/eu-west-1/20260103", "1/eu-west-1/20251231", "1/us-east-1/20251231")
}

// TestInHand holds that an object which is being read is not offered again by the next listing.
func TestInHand(t *testing.T) {
	b := newBench(t).byListing()
	b.put(key("111111111111", "CloudTrail", "eu-west-1", "20260101T0005Z", "AAAA"), file("a"))
	b.config.Follow, b.config.Start, b.config.PollInterval = true, "2026-01-01", 10*time.Millisecond
	release := b.Hold()
	b.start()
	b.Wait("many listings", func() bool { return b.proxy.Calls("GetObject") > 0 && b.proxy.Calls("ListObjects") > 30 })
	release()
	b.Wait("the event", func() bool { return len(b.Events()) == 1 })
	if b.proxy.Calls("GetObject") != 1 || b.Total() != 1 {
		t.Errorf("read %d times, delivered %d times", b.proxy.Calls("GetObject"), b.Total())
	}
}

// TestDeniedForAWhile holds that what an operator can mend is not given up.
func TestDeniedForAWhile(t *testing.T) {
	b := newBench(t).byListing()
	b.config.MaxReceives = 1
	b.put(key("111111111111", "CloudTrail", "eu-west-1", "20260101T0005Z", "AAAA"), file("a"))
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if c.Operation == "GetObject" {
			return awstest.Fault{Status: 403, Code: "AccessDenied"}
		}
		return awstest.Fault{}
	})
	b.start()
	b.Wait("two tries", func() bool { return b.proxy.Calls("GetObject") >= 2 })
	b.proxy.Fail(nil)
	b.Wait("the event", func() bool { return len(b.Events()) == 1 })
	if len(b.Aside()) != 0 {
		t.Errorf("%+v", b.Aside())
	}
}

// TestOneIsDenied holds that an object which can not be read holds up neither other objects nor other folders.
func TestOneIsDenied(t *testing.T) {
	b := newBench(t).byListing()
	b.config.Follow, b.config.Start, b.config.PollInterval, b.config.Include = true, "2026-01-01", 20*time.Millisecond, []string{"^exports/"}
	b.put("exports/denied.json", file("denied"))
	b.put(key("111111111111", "CloudTrail", "eu-west-1", "20260101T0005Z", "AAAA"), file("a"))
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if strings.HasSuffix(c.Path, "denied.json") {
			return awstest.Fault{Status: 403, Code: "AccessDenied"}
		}
		return awstest.Fault{}
	})
	b.start()
	b.Wait("what may be read", func() bool { return len(b.Events()) == 1 })
	b.put("exports/later.json", file("later"))
	b.put(key("111111111111", "CloudTrail", "eu-west-1", "20260101T0010Z", "AAAA"), file("b"))
	b.Wait("what comes later", func() bool { return len(b.Events()) == 3 })
	b.proxy.Fail(nil)
	b.Wait("what was denied", func() bool { return len(b.Events()) == 4 })
}

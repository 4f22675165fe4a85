package enrich

import (
	"strconv"
	"time"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// appendObject appends the object that is added to an event. What is absent is left out, and so is an object without
// members. The members are those of the table in schema.go, in its order.
func appendObject(dst []byte, f *pipeline.Facts, p place, r *pipeline.Record) []byte {
	w := writer{buf: append(dst, `{"v":`...)}
	w.buf = strconv.AppendInt(w.buf, Version, 10)
	w.text("id", f.ID)
	w.text("kind", string(f.Kind))
	if !f.Time.IsZero() {
		w.name("time")
		w.buf = append(w.buf, '"')
		w.buf = f.Time.UTC().AppendFormat(w.buf, time.RFC3339Nano)
		w.buf = append(w.buf, '"')
	}
	w.text("region", f.Region)
	w.account(f.Account)
	w.text("service", f.Service)
	w.text("action", f.Action)
	w.text("category", f.Category)
	w.tri("read_only", f.ReadOnly)
	w.text("outcome", f.Outcome)
	w.error(f.Error)
	w.actor(f)
	w.tri("cross_account", f.CrossAccount)
	w.source(&f.Source, p)
	w.session(&f.Session)
	w.origin(f, r)
	return append(w.buf, '}')
}

func (w *writer) account(a pipeline.Account) {
	mark := w.open("account")
	w.text("id", a.ID)
	w.text("name", a.Name)
	w.close(mark)
}

func (w *writer) error(e pipeline.ErrorFact) {
	mark := w.open("error")
	w.text("code", e.Code)
	w.text("message", e.Message)
	w.close(mark)
}

func (w *writer) actor(f *pipeline.Facts) {
	a := &f.Actor
	mark := w.open("actor")
	w.text("type", a.Type)
	w.text("kind", a.Kind)
	w.text("id", a.ID)
	w.text("arn", a.ARN)
	w.account(a.Account)
	w.text("user", a.User)
	w.text("role", a.Role)
	w.text("role_arn", a.RoleARN)
	w.text("session_name", a.SessionName)
	w.text("permission_set", a.PermissionSet)
	w.text("access_key_id", a.AccessKeyID)
	w.tri("mfa", a.MFA)
	if a.Console || f.Kind == pipeline.KindCloudTrail && a.Type != "" {
		w.name("console")
		w.buf = strconv.AppendBool(w.buf, a.Console)
	}
	w.text("source_identity", a.SourceIdentity)
	w.text("on_behalf_of", a.OnBehalfOf)
	w.text("invoked_by", a.InvokedBy)
	w.close(mark)
}

func (w *writer) source(s *pipeline.Source, p place) {
	mark := w.open("source")
	w.text("ip", s.IP)
	w.text("aws_service", s.AWSService)
	w.text("user_agent", s.UserAgent)
	w.text("vpc_endpoint", s.VPCEndpoint)
	geo := w.open("geo")
	w.text("country", p.country)
	w.text("city", p.city)
	if p.asn != 0 {
		w.name("asn")
		w.buf = strconv.AppendUint(w.buf, p.asn, 10)
	}
	w.close(geo)
	w.close(mark)
}

func (w *writer) session(s *pipeline.Session) {
	mark := w.open("session")
	w.text("id", s.ID)
	w.text("target", s.Target)
	w.text("document", s.Document)
	w.text("reason", s.Reason)
	w.close(mark)
}

// origin says where the event came from, and which account the envelope named where that is not the record's.
func (w *writer) origin(f *pipeline.Facts, r *pipeline.Record) {
	o := r.Origin
	if o == nil {
		return
	}
	mark := w.open("origin")
	w.text("input", o.Input)
	w.text("object", o.Object)
	w.name("index")
	w.buf = strconv.AppendInt(w.buf, r.Index, 10)
	if len(o.Via) > 0 {
		w.name("via")
		for i, wrapper := range o.Via {
			w.buf = append(w.buf, "[,"[min(i, 1)])
			w.buf = rawjson.AppendString(w.buf, wrapper)
		}
		w.buf = append(w.buf, ']')
	}
	w.text("tag", o.Tag)
	if o.Owner != f.Account.ID {
		w.text("owner", o.Owner)
	}
	w.close(mark)
}

// writer appends the members of objects.
type writer struct{ buf []byte }

// name begins a member.
func (w *writer) name(name string) {
	if w.buf[len(w.buf)-1] != '{' {
		w.buf = append(w.buf, ',')
	}
	w.buf = append(append(append(w.buf, '"'), name...), '"', ':')
}

func (w *writer) text(name, value string) {
	if value != "" {
		w.name(name)
		w.buf = rawjson.AppendString(w.buf, value)
	}
}

func (w *writer) tri(name string, value pipeline.Tri) {
	if value != pipeline.Unknown {
		w.name(name)
		w.buf = strconv.AppendBool(w.buf, value == pipeline.Yes)
	}
}

// open begins a member that is an object; close takes it back where nothing was written into it.
func (w *writer) open(name string) (mark int) {
	mark = len(w.buf)
	w.name(name)
	w.buf = append(w.buf, '{')
	return mark
}

func (w *writer) close(mark int) {
	if w.buf[len(w.buf)-1] == '{' {
		w.buf = w.buf[:mark]
		return
	}
	w.buf = append(w.buf, '}')
}

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
	w := writer(append(dst, `{"v":`...))
	w = strconv.AppendInt(w, Version, 10)
	w = w.text("id", f.ID)
	w = w.text("kind", string(f.Kind))
	if !f.Time.IsZero() {
		w = w.name("time")
		w = append(w, '"')
		w = f.Time.UTC().AppendFormat(w, time.RFC3339Nano)
		w = append(w, '"')
	}
	w = w.text("region", f.Region)
	w = w.account(f.Account)
	w = w.text("service", f.Service)
	w = w.text("action", f.Action)
	w = w.text("category", f.Category)
	w = w.tri("read_only", f.ReadOnly)
	w = w.text("outcome", f.Outcome)
	w = w.error(f.Error)
	w = w.actor(f)
	w = w.tri("cross_account", f.CrossAccount)
	w = w.source(&f.Source, p)
	w = w.session(&f.Session)
	w = w.origin(f, r)
	return append(w, '}')
}

func (w writer) account(a pipeline.Account) writer {
	w, mark := w.open("account")
	w = w.text("id", a.ID)
	w = w.text("name", a.Name)
	return w.close(mark)
}

func (w writer) error(e pipeline.ErrorFact) writer {
	w, mark := w.open("error")
	w = w.text("code", e.Code)
	w = w.text("message", e.Message)
	return w.close(mark)
}

func (w writer) actor(f *pipeline.Facts) writer {
	a := &f.Actor
	w, mark := w.open("actor")
	w = w.text("type", a.Type)
	w = w.text("kind", a.Kind)
	w = w.text("id", a.ID)
	w = w.text("arn", a.ARN)
	w = w.account(a.Account)
	w = w.text("user", a.User)
	w = w.text("role", a.Role)
	w = w.text("role_arn", a.RoleARN)
	w = w.text("session_name", a.SessionName)
	w = w.text("permission_set", a.PermissionSet)
	w = w.text("access_key_id", a.AccessKeyID)
	w = w.tri("mfa", a.MFA)
	if a.Console || f.Kind == pipeline.KindCloudTrail && a.Type != "" {
		w = w.name("console")
		w = strconv.AppendBool(w, a.Console)
	}
	w = w.text("source_identity", a.SourceIdentity)
	w = w.text("on_behalf_of", a.OnBehalfOf)
	w = w.text("invoked_by", a.InvokedBy)
	return w.close(mark)
}

func (w writer) source(s *pipeline.Source, p place) writer {
	w, mark := w.open("source")
	w = w.text("ip", s.IP)
	w = w.text("aws_service", s.AWSService)
	w = w.text("user_agent", s.UserAgent)
	w = w.text("vpc_endpoint", s.VPCEndpoint)
	w, geo := w.open("geo")
	w = w.text("country", p.country)
	w = w.text("city", p.city)
	if p.asn != 0 {
		w = w.name("asn")
		w = strconv.AppendUint(w, p.asn, 10)
	}
	w = w.close(geo)
	return w.close(mark)
}

func (w writer) session(s *pipeline.Session) writer {
	w, mark := w.open("session")
	w = w.text("id", s.ID)
	w = w.text("target", s.Target)
	w = w.text("document", s.Document)
	w = w.text("reason", s.Reason)
	return w.close(mark)
}

// origin says where the event came from, and which account the envelope named where that is not the record's.
func (w writer) origin(f *pipeline.Facts, r *pipeline.Record) writer {
	o := r.Origin
	if o == nil {
		return w
	}
	w, mark := w.open("origin")
	w = w.text("input", o.Input)
	w = w.text("object", o.Object)
	w = w.name("index")
	w = strconv.AppendInt(w, r.Index, 10)
	if len(o.Via) > 0 {
		w = w.name("via")
		for i, wrapper := range o.Via {
			w = append(w, "[,"[min(i, 1)])
			w = rawjson.AppendString(w, wrapper)
		}
		w = append(w, ']')
	}
	w = w.text("tag", o.Tag)
	if !o.Time.IsZero() {
		w = w.name("time")
		w = append(w, '"')
		w = o.Time.UTC().AppendFormat(w, time.RFC3339Nano)
		w = append(w, '"')
	}
	if o.Owner != f.Account.ID {
		w = w.text("owner", o.Owner)
	}
	return w.close(mark)
}

// writer appends the members of objects. Its methods return it, as append does: that keeps it off the heap.
type writer []byte

// name begins a member.
func (w writer) name(name string) writer {
	if w[len(w)-1] != '{' {
		w = append(w, ',')
	}
	return append(append(append(w, '"'), name...), '"', ':')
}

func (w writer) text(name, value string) writer {
	if value == "" {
		return w
	}
	return rawjson.AppendString(w.name(name), value)
}

func (w writer) tri(name string, value pipeline.Tri) writer {
	if value == pipeline.Unknown {
		return w
	}
	return strconv.AppendBool(w.name(name), value == pipeline.Yes)
}

// open begins a member that is an object; close takes it back where nothing was written into it.
func (w writer) open(name string) (out writer, mark int) {
	return append(w.name(name), '{'), len(w)
}

func (w writer) close(mark int) writer {
	if w[len(w)-1] == '{' {
		return w[:mark]
	}
	return append(w, '}')
}

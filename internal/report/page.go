package report

import (
	"cmp"
	"html/template"
	"slices"
)

// page is what the template of the HTML page gets; all text is clean.
type page struct {
	Title, Period, Made string
	Notes               []string
	Totals              Totals
	Days                []day
	Elsewhere           int // sessions on none of the days, or without a time
	People              []person
	MorePeople          int
	Shortened           string // how long texts are, if they had to be shortened; "none" for not at all
	MaxPage             string

	Style  template.CSS
	Script template.JS
	Rows   template.JS
	Policy template.HTMLAttr
}

// row is a session in the page.
type row struct {
	facts
	Who     string `json:"who"`
	Log     bool   `json:"log,omitempty"`  // it has a text in the page
	File    string `json:"file,omitempty"` // with all of the text
	Failure string `json:"log_error,omitempty"`
	More    int    `json:"more,omitempty"` // commands that are not in the page
}

func (r *Report) newPage(t *texts) *page {
	sessions := r.all()
	p := &page{
		Title: cmp.Or(clean(r.Title), "Sessions"), Period: r.period(), Made: minute(r.Made), Totals: total(sessions),
		Style: template.CSS(pageCSS), Script: template.JS(script()),
		MaxPage: size(int64(t.room)),
	}
	p.Policy = template.HTMLAttr(`content="default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; style-src ` +
		hash(pageCSS) + `; script-src ` + hash(script()) + `"`)
	for _, note := range r.Notes {
		p.Notes = append(p.Notes, clean(note))
	}
	if t.limit < excerptLimit {
		p.Shortened = size(int64(t.limit))
		if t.limit == 0 {
			p.Shortened = "none"
		}
	}
	p.Days, p.Elsewhere = r.days(sessions)
	p.People, p.MorePeople = people(sessions)
	rows := make([]row, len(sessions))
	for i, s := range sessions {
		x := t.items[i]
		rows[i] = row{facts: newFacts(s, clean), Who: clean(s.Who()), Log: x.packed != nil, Failure: x.failure, More: x.omitted}
		if x.begun {
			rows[i].File = x.name
		}
	}
	p.Rows = template.JS(encode(struct {
		Since    string `json:"since,omitempty"`
		Until    string `json:"until,omitempty"`
		Folder   string `json:"folder"`
		Sessions []row  `json:"sessions"`
	}{rfc3339(r.Since), rfc3339(r.Until), cmp.Or(r.Folder, "sessions"), rows}, true))
	return p
}

// script is all of the page's.
func script() string { return "'use strict';\n" + dataJS + tableJS + timelineJS + sessionJS + startJS }

// person is a line of the page.
type person struct {
	Name                       string
	Sessions, Attempts, Alerts int
	Unlogged                   int
	Time, Last                 string
	Wide                       float64 // per cent of the most
}

const maxPeople = 50

// people are those with most sessions first.
func people(sessions []*Session) (list []person, more int) {
	most := 0
	for _, g := range grouped(sessions, (*Session).Who) {
		t := total(g.Sessions)
		last := slices.MaxFunc(g.Sessions, func(a, b *Session) int { return a.At().Compare(b.At()) })
		list = append(list, person{
			Name: clean(g.Name), Sessions: t.Sessions, Attempts: t.Attempts, Alerts: t.Alerts, Unlogged: t.Unlogged,
			Time: t.Time(), Last: last.day(),
		})
		most = max(most, t.Sessions+t.Attempts)
	}
	slices.SortStableFunc(list, func(a, b person) int { return cmp.Compare(b.Sessions+b.Attempts, a.Sessions+a.Attempts) })
	for i := range list {
		list[i].Wide = 100 * float64(list[i].Sessions+list[i].Attempts) / float64(most)
	}
	if len(list) > maxPeople {
		return list[:maxPeople], len(list) - maxPeople
	}
	return list, 0
}

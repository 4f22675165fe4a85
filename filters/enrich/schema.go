package enrich

// member describes one member of the object that the filter adds. The table of them is what the JSON Schema and the
// reference are made of; a test holds it and appendObject together.
type member struct {
	name    string
	kind    string // a type of JSON Schema
	doc     string
	enum    []string
	always  bool
	members []member // of an object
	items   string   // type of an array's items
	format  string
}

func text(name, doc string) member    { return member{name: name, kind: "string", doc: doc} }
func boolean(name, doc string) member { return member{name: name, kind: "boolean", doc: doc} }
func integer(name, doc string) member { return member{name: name, kind: "integer", doc: doc} }

func object(name, doc string, members ...member) member {
	return member{name: name, kind: "object", doc: doc, members: members}
}

func enum(name, doc string, values ...string) member {
	return member{name: name, kind: "string", doc: doc, enum: values}
}

func list(name, doc string) member {
	return member{name: name, kind: "array", items: "string", doc: doc}
}

func account(doc string) member {
	return object("account", doc,
		text("id", "Id of the account, as it came: 12 digits normally."),
		text("name", "Name of the account in the accounts file of enrich."))
}

func always(m member) member {
	m.always = true
	return m
}

// table lists the members in the order in which they are written.
func table() []member {
	at := text("time", "When it happened, UTC, RFC 3339. Session logs carry the time of upload; other kinds that of "+
		"arrival.")
	at.format = "date-time"
	return []member{
		always(integer("v", "Version of this schema.")),
		always(text("id", "eventID; without one, a hash of the transport key. For people and joins: one eventID may "+
			"come with different contents.")),
		always(enum("kind", "What the event is.", "cloudtrail", "insight", "session_log", "session", "other")),
		at,
		text("region", "awsRegion, else the region of the envelope or of the object's name."),
		account("The account whose log it is: recipientAccountId, else userIdentity.accountId, else the envelope's " +
			"owner, else the account in the object's name, else the one in the actor's ARN."),
		text("service", "eventSource without its DNS suffix; where that is blank the service in a resource's ARN, "+
			"else \"unknown\". Session logs: \"ssm\". Insights: the service that they are about."),
		text("action", "eventName. Session logs: \"SessionLog\". Insights: the action that they are about."),
		text("category", "eventCategory (Management, Data, NetworkActivity, Insight), for older records by "+
			"managementEvent and eventType."),
		boolean("read_only", "readOnly, where the record has it."),
		enum("outcome", "How an API call or sign-in ended. denied: an error that says that rights were missing, or "+
			"a failed sign-in. failure: any other error.", "success", "failure", "denied"),
		object("error", "The error that an API call ended with.",
			text("code", "errorCode."),
			text("message", "errorMessage.")),
		object("actor", "Who acted.",
			text("type", "userIdentity.type as it came."),
			enum("kind", "human: root, Identity Center, SAML, an AWSReservedSSO role, a session name with @, an IAM "+
				"user with console session or MFA. aws: an AWS service. machine: other roles and access keys.",
				"human", "machine", "aws", "unknown"),
			text("id", "principalId."),
			text("arn", "arn."),
			account("The actor's account: userIdentity.accountId, else the account in the ARN, else that of the "+
				"session's issuer."),
			text("user", "Name of the user. Identity Center: the user's id. An AWSReservedSSO role: the session's "+
				"name. A transcript: the name that the session's id begins with."),
			text("role", "Name of the role."),
			text("role_arn", "ARN of the role with its path, where the record has it; else made from the ARN of the "+
				"assumed role."),
			text("session_name", "Name of the role's session."),
			text("permission_set", "Permission set of Identity Center, from the role's name AWSReservedSSO_SET_HASH."),
			text("access_key_id", "accessKeyId."),
			boolean("mfa", "Whether multi-factor authentication was used, where the record says so: "+
				"mfaAuthenticated, or MFAUsed of a sign-in. Requests with long-lived keys do not."),
			boolean("console", "true where the record says that it comes from a console session or is a sign-in; "+
				"false where it does not say so."),
			text("source_identity", "sourceIdentity of the role's session."),
			text("on_behalf_of", "onBehalfOf.userId: the Identity Center user."),
			text("invoked_by", "invokedBy: the service that made the call for the actor.")),
		boolean("cross_account", "Whether the actor's account is another than the one acted on, where both are "+
			"known. Always true for the type AWSAccount."),
		object("source", "Where the action came from.",
			text("ip", "sourceIPAddress where it is an IP address."),
			text("aws_service", "sourceIPAddress where it is a name: an AWS service, \"AWS Internal\"."),
			text("user_agent", "userAgent."),
			text("vpc_endpoint", "vpcEndpointId."),
			object("geo", "Where the address is, from the geoip database of enrich.",
				text("country", "ISO 3166-1 code of the country."),
				text("city", "English name of the city."),
				integer("asn", "Number of the autonomous system."))),
		object("session", "The Session Manager session, ECS Exec session or remote-desktop connection that the "+
			"event is about.",
			text("id", "Session id; for a remote-desktop connection its own id."),
			text("target", "Target: an instance id; the task for ECS Exec."),
			text("document", "documentName: what kind of session was asked for."),
			text("reason", "Reason that the user gave.")),
		object("origin", "Where trailcast got the event from.",
			text("input", "Name of the input in the configuration."),
			text("object", "What was read: a path, s3://bucket/key, log group:log stream."),
			integer("index", "Ordinal of the record in the object, from 0."),
			list("via", "The envelopes that were taken off, outermost first."),
			text("tag", "Fluent Bit tag."),
			text("time", "The time that the transport gives the event, which is not the event's own: Fluent Bit's timestamp."),
			text("owner", "The account that the envelope names as its owner, where it is another than the record's: "+
				"look at such events with care.")),
		list("trimmed", "Members of the event that an output with on_too_large: trim replaced by a marker."),
		object("part", "Session text that was too large for one message and was sent in several.",
			integer("n", "Which part, from 1."),
			integer("of", "How many parts there are.")),
	}
}

// Schema returns a JSON Schema (2020-12) of an enriched event under the default key. The members of the event itself are
// AWS's and not described; under `trailcast` nothing is allowed that the schema does not name.
func Schema() map[string]any {
	added := objectSchema(table())
	added["description"] = "Facts that trailcast adds. Absent facts are left out, never null or empty. New members " +
		"keep v."
	added["properties"].(map[string]any)["v"].(map[string]any)["const"] = Version
	return map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"$id":     "urn:trailcast:enriched-event:1",
		"title":   "Event enriched by trailcast",
		"description": "A CloudTrail record, session log or other event as it came, with the object `trailcast` " +
			"added by the filter enrich.",
		"type":       "object",
		"required":   []any{defaultKey},
		"properties": map[string]any{defaultKey: added},
	}
}

func objectSchema(members []member) map[string]any {
	properties, required := map[string]any{}, []any{}
	for _, m := range members {
		properties[m.name] = m.schema()
		if m.always {
			required = append(required, m.name)
		}
	}
	schema := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		schema["required"] = required
	} else {
		schema["minProperties"] = 1
	}
	return schema
}

func (m member) schema() map[string]any {
	if m.kind == "object" {
		schema := objectSchema(m.members)
		schema["description"] = m.doc
		return schema
	}
	schema := map[string]any{"type": m.kind, "description": m.doc}
	switch m.kind {
	case "string":
		schema["minLength"] = 1
	case "integer":
		schema["minimum"] = 0
	case "array":
		schema["items"], schema["minItems"] = map[string]any{"type": m.items}, 1
	}
	if m.enum != nil {
		values := make([]any, len(m.enum))
		for i, v := range m.enum {
			values[i] = v
		}
		schema["enum"] = values
	}
	if m.format != "" {
		schema["format"] = m.format
	}
	return schema
}

package enrich

// name is how a member begins. It is copied as a whole, which takes a few instructions, where a copy of its length is a call.
type name struct {
	text [maxName]byte
	size int
}

const maxName = 24

func newName(s string) (n name) {
	n.size = copy(n.text[:], `"`+s+`":`)
	return n
}

// The names of all members that are written.
var (
	nameID             = newName("id")
	nameKind           = newName("kind")
	nameTime           = newName("time")
	nameRegion         = newName("region")
	nameAccount        = newName("account")
	nameName           = newName("name")
	nameService        = newName("service")
	nameAction         = newName("action")
	nameCategory       = newName("category")
	nameReadOnly       = newName("read_only")
	nameOutcome        = newName("outcome")
	nameError          = newName("error")
	nameCode           = newName("code")
	nameMessage        = newName("message")
	nameActor          = newName("actor")
	nameType           = newName("type")
	nameARN            = newName("arn")
	nameUser           = newName("user")
	nameRole           = newName("role")
	nameRoleARN        = newName("role_arn")
	nameSessionName    = newName("session_name")
	namePermissionSet  = newName("permission_set")
	nameAccessKeyID    = newName("access_key_id")
	nameMFA            = newName("mfa")
	nameConsole        = newName("console")
	nameSourceIdentity = newName("source_identity")
	nameOnBehalfOf     = newName("on_behalf_of")
	nameInvokedBy      = newName("invoked_by")
	nameCrossAccount   = newName("cross_account")
	nameSource         = newName("source")
	nameIP             = newName("ip")
	nameAWSService     = newName("aws_service")
	nameUserAgent      = newName("user_agent")
	nameVPCEndpoint    = newName("vpc_endpoint")
	nameGeo            = newName("geo")
	nameCountry        = newName("country")
	nameCity           = newName("city")
	nameASN            = newName("asn")
	nameSession        = newName("session")
	nameTarget         = newName("target")
	nameDocument       = newName("document")
	nameReason         = newName("reason")
	nameOrigin         = newName("origin")
	nameInput          = newName("input")
	nameObject         = newName("object")
	nameIndex          = newName("index")
	nameVia            = newName("via")
	nameTag            = newName("tag")
	nameOwner          = newName("owner")
)

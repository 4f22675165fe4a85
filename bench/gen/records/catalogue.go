package records

// What happens in the made-up organisation. Shapes follow records that CloudTrail delivers; all names, ids and
// documents are made up. Weights are chosen for about 70 % read-only records and a mean of about 1.8 KB.

// event is one kind of API call.
type event struct {
	source, name, kind string // kind is the eventType
	weight             int
	readOnly, data     bool
	session            bool // part of a Session Manager session
	human              int  // how many of 1000 are done by people
	shares             []share

	parameters, response, additional, resources, tls text

	errors         []failure
	errorShare     int // how many of 1000 fail
	keepsResponse  bool
	failedResponse text
}

// failure is how a call fails.
type failure struct {
	code    string
	message text
}

// share is how often a type of identity makes a call, among all shares of it.
type share struct{ identity, weight int }

func (e *event) identity(from *random) int {
	total := 0
	for _, s := range e.shares {
		total += s.weight
	}
	n := from.below(total)
	for _, s := range e.shares {
		if n -= s.weight; n < 0 {
			return s.identity
		}
	}
	return e.shares[0].identity // not reached: n is below the sum of all weights
}

// failure returns how this call fails; nil where it succeeds.
func (e *event) failure(r *record) *failure {
	if len(e.errors) == 0 || !r.random.perMille(e.errorShare) {
		return nil
	}
	return &e.errors[r.random.below(len(e.errors))]
}

const (
	assumedRole = iota
	iamUser
	awsService
	awsAccount
	identityCenterUser
	webIdentityUser
	samlUser
	root
	federatedUser
	directory
	unknownUser
	noType
	identityKinds
)

func compileIdentities() [identityKinds]text {
	var t [identityKinds]text
	for kind, s := range map[int]string{
		assumedRole: `{"type":"AssumedRole","principalId":"%roleid%:%session%",` +
			`"arn":"arn:aws:sts::%account%:assumed-role/%role%/%session%","accountId":"%account%",` +
			`"accessKeyId":"%asia%",` +
			`"sessionContext":{"sessionIssuer":{"type":"Role","principalId":"%roleid%",` +
			`"arn":"arn:aws:iam::%account%:role/%rolepath%",` +
			`"accountId":"%account%","userName":"%role%"},"attributes":{"creationDate":"%created%",` +
			`"mfaAuthenticated":"%mfa%"}}}`,
		iamUser: `{"type":"IAMUser","principalId":"%userid%","arn":"arn:aws:iam::%account%:user/%user%",` +
			`"accountId":"%account%",` +
			`"accessKeyId":"%akia%","userName":"%user%"}`,
		awsService: `{"type":"AWSService","invokedBy":"%service%"}`,
		awsAccount: `{"type":"AWSAccount","principalId":"%roleid%:%session%","accountId":"%otheraccount%"}`,
		identityCenterUser: `{"type":"IdentityCenterUser","accountId":"%account%","onBehalfOf":{"userId":"%uuid%",` +
			`"identityStoreArn":"arn:aws:identitystore::%account%:identitystore/d-9067f29d45"},` +
			`"credentialId":"%uuid%"}`,
		webIdentityUser: `{"type":"WebIdentityUser","principalId":"arn:aws:iam::%account%:oidc-provider/` +
			`oidc.eks.%region%.amazonaws.com/id/` +
			`8A6E78112D7CDEF9A4B5C0E31F3B7D42:sts.amazonaws.com:system:serviceaccount:%role%:%role%",` +
			`"userName":"system:serviceaccount:%role%:%role%",` +
			`"identityProvider":"arn:aws:iam::%account%:oidc-provider/oidc.eks.%region%` +
			`.amazonaws.com/id/8A6E78112D7CDEF9A4B5C0E31F3B7D42"}`,
		samlUser: `{"type":"SAMLUser","principalId":"kdZ3Kw8rkUkW2Qmv9vPvbYwYp1E=:%user%@example.com",` +
			`"userName":"%user%@example.com",` +
			`"identityProvider":"kdZ3Kw8rkUkW2Qmv9vPvbYwYp1E="}`,
		root: `{"type":"Root","principalId":"%account%","arn":"arn:aws:iam::%account%:root",` +
			`"accountId":"%account%","accessKeyId":"%asia%",` +
			`"sessionContext":{"attributes":{"creationDate":"%created%","mfaAuthenticated":"%mfa%"}}}`,
		federatedUser: `{"type":"FederatedUser","principalId":"%account%:%user%",` +
			`"arn":"arn:aws:sts::%account%:federated-user/%user%",` +
			`"accountId":"%account%","accessKeyId":"%asia%","sessionContext":{"sessionIssuer":{"type":"IAMUser",` +
			`"principalId":"%userid%",` +
			`"arn":"arn:aws:iam::%account%:user/%user%","accountId":"%account%","userName":"%user%"},` +
			`"attributes":{"creationDate":"%created%","mfaAuthenticated":"%mfa%"}}}`,
		directory:   `{"type":"Directory","accountId":"%account%","userName":"%user%@corp.example.com"}`,
		unknownUser: `{"type":"Unknown","principalId":"%userid%","accountId":"%account%","userName":"%user%"}`,
		noType:      `{"accountId":"%account%","invokedBy":"%service%"}`,
	} {
		t[kind] = parse(s)
	}
	return t
}

// Who makes calls of which kind.
var (
	anyone = []share{
		{assumedRole, 850}, {iamUser, 110}, {awsService, 20}, {root, 3}, {federatedUser, 5}, {directory, 2},
		{unknownUser, 2},
		{identityCenterUser, 8},
	}
	machines    = []share{{assumedRole, 960}, {iamUser, 20}, {awsService, 20}}
	dataReaders = []share{{assumedRole, 900}, {iamUser, 30}, {awsService, 30}, {awsAccount, 40}}
	assumers    = []share{{awsService, 600}, {assumedRole, 330}, {awsAccount, 40}, {iamUser, 30}}
	operators   = []share{{assumedRole, 800}, {iamUser, 200}}
	signIns     = []share{{assumedRole, 600}, {iamUser, 320}, {root, 80}}
)

type role struct {
	name, path string
	session    string // "" for a role of instances: the session is the instance's id
}

var machineRoles = []role{
	{"eks-node-group", "", ""},
	{"payments-api", "service/", "payments-api"},
	{"github-actions-deploy", "ci/", "GitHubActions"},
	{"datalake-ingest", "", "datalake-ingest-prod"},
	{"web-instance", "", ""},
	{"AWSServiceRoleForAutoScaling", "aws-service-role/autoscaling.amazonaws.com/", "AutoScaling"},
	{"order-events-lambda-ExecutionRole-1K4QX9ZT7V2M", "", "order-events"},
	{"security-scanner", "audit/", "scan-1741010400"},
	{"terraform", "ci/", "aws-go-sdk-1741001234567890123"},
	{"backup-operator", "", "AWSBackup-Service"},
	{"karpenter-controller", "", "1741003344556677889"},
	{"glue-etl", "service-role/", "GlueJobRunnerSession"},
}

var humanRoles = []role{
	{"AWSReservedSSO_AdministratorAccess_5f1ab2c3d4e5f607", "aws-reserved/sso.amazonaws.com/eu-west-1/", ""},
	{"AWSReservedSSO_ReadOnlyAccess_9b8c7d6e5f403122", "aws-reserved/sso.amazonaws.com/eu-west-1/", ""},
	{"AWSReservedSSO_PlatformEngineer_0a1b2c3d4e5f6071", "aws-reserved/sso.amazonaws.com/", ""},
	{"break-glass", "", ""},
}

var people = []string{
	"jane.doe", "amir", "lucia.fernandez", "garland.kan", "wei.zhang", "o.brien", "svenja-k", "priya", "tomas.novak",
	"build-bot", "keiko", "d.okafor",
}

var accounts = []string{
	"111122223333", "222233334444", "333344445555", "444455556666", "555566667777", "666677778888", "777788889999",
	"888899990000",
	"123456789012", "210987654321",
}

var regions = []string{"eu-west-1", "us-east-1", "eu-central-1", "us-west-2", "ap-southeast-2"}

var services = []string{
	"ec2.amazonaws.com", "lambda.amazonaws.com", "autoscaling.amazonaws.com", "cloudtrail.amazonaws.com",
	"eks.amazonaws.com", "backup.amazonaws.com",
}

var buckets = []string{
	"datalake-raw-eu-west-1", "datalake-curated", "web-prod-assets", "payments-exports-prod", "org-cloudtrail-logs",
	"ml-training-sets",
	"terraform-state-4444", "backup-vault-copies", "legal-hold-archive", "tmp-scratch-2025",
}

var functions = []string{"order-events", "image-resize", "payments-webhook", "log-forwarder", "nightly-report"}

var prefixes = []string{"events/orders", "events/clicks", "raw/payments/settlements", "curated/dim_customer",
	"exports/daily", "logs/alb"}

var owners = []string{"payments", "data-platform", "web", "équipe-réseau", "運用チーム", "O'Brien & Søn"}

var reasons = []string{"INC-20417 disk full on worker", "deploy check", "debugging \\\"stuck\\\" jobs", "Störung 42",
	"routine"}

var machineAgents = []string{
	"aws-sdk-java/2.29.39 Linux/5.10.230-223.885.amzn2.x86_64 OpenJDK_64-Bit_Server_VM/17.0.13+11-LTS " +
		"Java/17.0.13 vendor/Amazon.com_Inc. io/sync",
	"Boto3/1.35.99 md/Botocore#1.35.99 ua/2.0 os/linux#6.1.119-129.201.amzn2023.x86_64 md/arch#x86_64 " +
		"lang/python#3.12.8 md/pyimpl#CPython",
	"aws-sdk-go-v2/1.32.7 os/linux lang/go#1.23.4 md/GOOS#linux md/GOARCH#arm64 api/sts#1.33.3",
	"APN/1.0 HashiCorp/1.0 Terraform/1.9.8 (+https://www.terraform.io) terraform-provider-aws/5.82.2 " +
		"(+https://registry.terraform.io/providers/" +
		"hashicorp/aws) aws-sdk-go-v2/1.32.7 os/linux lang/go#1.23.3 md/GOOS#linux md/GOARCH#amd64 api/ec2#1.198.1",
	"aws-sdk-go/1.55.5 (go1.22.10; linux; amd64) amazon-ssm-agent/3.3.1611.0",
}

var humanAgents = []string{
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 " +
		"Safari/537.36",
	"aws-cli/2.22.26 md/awscrt#0.23.4 ua/2.0 os/macos#24.2.0 md/arch#arm64 lang/python#3.12.6 md/pyimpl#CPython " +
		"cfg/retry-mode#standard " +
		"md/installer#exe md/prompt#off md/command#ssm.start-session",
	"AWS Internal",
}

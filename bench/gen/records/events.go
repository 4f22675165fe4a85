package records

const (
	s3Extra = `,"additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256",` +
		`"bytesTransferredIn":%below:9000%,` +
		`"AuthenticationMethod":"AuthHeader","x-amz-id-2":"%base64:75%=","bytesTransferredOut":%below:9000000%}`
	s3Resources = `,"resources":[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::%bucket%/%key%"},` +
		`{"accountId":"%account%",` +
		`"type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::%bucket%"}]`
	s3TLS = `,"tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256",` +
		`"clientProvidedHostHeader":"%bucket%.s3.%region%.amazonaws.com"}`
	kmsResources = `,"resources":[{"accountId":"%account%","type":"AWS::KMS::Key",` +
		`"ARN":"arn:aws:kms:%region%:%account%:key/%kmskey%"}]`
	roleResources = `,"resources":[{"accountId":"%account%","type":"AWS::IAM::Role",` +
		`"ARN":"arn:aws:iam::%account%:role/%rolepath%"}]`
	credentials = `"credentials":{"accessKeyId":"%asia%","sessionToken":"IQoJb3JpZ2luX2VjE%base64:590%=",` +
		`"expiration":"Mar 3, 2025, 4:21:07 PM"}`
	assumed = `{` + credentials + `,"assumedRoleUser":{"assumedRoleId":"%roleid%:%session%",` +
		`"arn":"arn:aws:sts::%account%:assumed-role/%role%/%session%"}}`
)

// draft is an event as it is written here; "" stands for what is usual.
type draft struct {
	event
	parameters, response, additional, resources, tls string

	denied, other string // message of an access error, and code|message of another one
}

func compileEvents() []event {
	events := make([]event, 0, len(drafts))
	for _, d := range drafts {
		e := d.event
		service := e.source[:len(e.source)-len(".amazonaws.com")]
		e.kind = orElse(e.kind, "AwsApiCall")
		if e.shares == nil {
			e.shares = anyone
		}
		e.parameters = parse(orElse(d.parameters, "null"))
		e.response = parse(orElse(d.response, "null"))
		e.additional = parse(d.additional)
		e.resources = parse(d.resources)
		e.tls = parse(orElse(d.tls, `,"tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256",`+
			`"clientProvidedHostHeader":"`+service+`.%region%.amazonaws.com"}`))
		e.errors = failuresOf(d, service)
		if e.keepsResponse {
			e.failedResponse = parse(`{"ConsoleLogin":"Failure"}`)
		}
		events = append(events, e)
	}
	return events
}

func orElse(s, usual string) string {
	if s == "" {
		return usual
	}
	return s
}

func failuresOf(d draft, service string) []failure {
	if d.errorShare == 0 {
		return nil
	}
	if d.keepsResponse {
		// A failed sign-in has a message, but no code.
		return []failure{{"", parse("Failed authentication")}}
	}
	code := orElse(d.denied, "AccessDenied")
	return []failure{
		{code, parse("User: arn:aws:sts::%account%:assumed-role/%role%/%session% is not authorized to " +
			"perform: " + service + ":" + d.name +
			" because no identity-based policy allows the " + service + ":" + d.name + " action")},
		{orElse(d.other, "ThrottlingException"), parse("The request could not be completed. Request id: %uuid%")},
	}
}

var drafts = []draft{
	// S3 data events.
	{event: event{source: "s3.amazonaws.com", name: "GetObject", weight: 165, readOnly: true, data: true,
		errorShare: 40, shares: dataReaders},
		parameters: `{"bucketName":"%bucket%","Host":"%bucket%.s3.%region%.amazonaws.com","key":"%key%"}`,
		additional: s3Extra, resources: s3Resources, tls: s3TLS, other: "NoSuchKey"},
	{event: event{source: "s3.amazonaws.com", name: "HeadObject", weight: 50, readOnly: true, data: true,
		errorShare: 120, shares: dataReaders},
		parameters: `{"bucketName":"%bucket%","Host":"%bucket%.s3.%region%.amazonaws.com","key":"%key%"}`,
		additional: s3Extra, resources: s3Resources, tls: s3TLS, other: "NoSuchKey"},
	{event: event{source: "s3.amazonaws.com", name: "ListObjects", weight: 30, readOnly: true, data: true,
		errorShare: 20, shares: dataReaders},
		parameters: `{"list-type":"2","bucketName":"%bucket%","encoding-type":"url","prefix":"%key%",` +
			`"Host":"%bucket%.s3.%region%.amazonaws.com"}`,
		additional: s3Extra, resources: s3Resources, tls: s3TLS},
	{event: event{source: "s3.amazonaws.com", name: "PutObject", weight: 90, data: true, errorShare: 10,
		shares: dataReaders},
		parameters: `{"bucketName":"%bucket%","Host":"%bucket%.s3.%region%.amazonaws.com","key":"%key%",` +
			`"x-amz-server-side-encryption":"aws:kms",` +
			`"x-amz-server-side-encryption-aws-kms-key-id":"arn:aws:kms:%region%:%account%:key/%kmskey%"}`,
		response: `{"x-amz-server-side-encryption":"aws:kms","x-amz-server-side-encryption-aws-kms-key-id":` +
			`"arn:aws:kms:%region%:%account%:key/%kmskey%"}`,
		additional: s3Extra, resources: s3Resources, tls: s3TLS},
	{event: event{source: "s3.amazonaws.com", name: "PutBucketPolicy", weight: 1, human: 300, errorShare: 100},
		parameters: `{"bucketName":"%bucket%","bucketPolicy":{"Version":"2012-10-17",` +
			`"Statement":[{"Effect":"Allow","Principal":"*",` +
			`"Action":"s3:GetObject","Resource":"arn:aws:s3:::%bucket%/*"}]},` +
			`"Host":"%bucket%.s3.%region%.amazonaws.com","policy":""}`,
		additional: s3Extra, resources: s3Resources, tls: s3TLS},

	// STS.
	{event: event{source: "sts.amazonaws.com", name: "AssumeRole", weight: 105, readOnly: true, errorShare: 15,
		shares: assumers},
		parameters: `{"roleArn":"arn:aws:iam::%account%:role/%rolepath%","roleSessionName":"%session%",` +
			`"durationSeconds":3600,` +
			`"externalId":"%hex:24%"}`,
		response: assumed, resources: roleResources},
	{event: event{source: "sts.amazonaws.com", name: "AssumeRoleWithWebIdentity", weight: 16, readOnly: true,
		shares: []share{{webIdentityUser, 1}}},
		parameters: `{"roleArn":"arn:aws:iam::%account%:role/%rolepath%","roleSessionName":"%session%",` +
			`"durationSeconds":86400}`,
		response: `{` + credentials + `,"subjectFromWebIdentityToken":"system:serviceaccount:%role%:%role%",` +
			`"assumedRoleUser":{"assumedRoleId":` +
			`"%roleid%:%session%","arn":"arn:aws:sts::%account%:assumed-role/%role%/%session%"},` +
			`"provider":"arn:aws:iam::%account%:oidc-provider/` +
			`oidc.eks.%region%.amazonaws.com/id/8A6E78112D7CDEF9A4B5C0E31F3B7D42","audience":"sts.amazonaws.com"}`,
		resources: roleResources},
	{event: event{source: "sts.amazonaws.com", name: "AssumeRoleWithSAML", weight: 4, readOnly: true, human: 1000,
		shares: []share{{samlUser, 1}}},
		parameters: `{"sAMLAssertionID":"_%uuid%","roleSessionName":"%user%@example.com",` +
			`"roleArn":"arn:aws:iam::%account%:role/%rolepath%",` +
			`"principalArn":"arn:aws:iam::%account%:saml-provider/corp","durationSeconds":3600}`,
		response: assumed, resources: roleResources},
	{event: event{source: "sts.amazonaws.com", name: "GetCallerIdentity", weight: 25, readOnly: true, human: 100}},

	// KMS.
	{event: event{source: "kms.amazonaws.com", name: "Decrypt", weight: 110, readOnly: true, errorShare: 15,
		shares: machines},
		parameters: `{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","keyId":"arn:aws:kms:%region%:%account%:key/` +
			`%kmskey%",` +
			`"encryptionContext":{"aws:s3:arn":"arn:aws:s3:::%bucket%/%key%"}}`,
		additional: `,"additionalEventData":{"keyMaterialId":"%hex:64%"}`, resources: kmsResources},
	{event: event{source: "kms.amazonaws.com", name: "GenerateDataKey", weight: 35, readOnly: true, shares: machines},
		parameters: `{"keySpec":"AES_256","keyId":"arn:aws:kms:%region%:%account%:key/%kmskey%",` +
			`"encryptionContext":{"aws:s3:arn":"arn:aws:s3:::%bucket%/%key%"}}`,
		additional: `,"additionalEventData":{"keyMaterialId":"%hex:64%"}`, resources: kmsResources},
	{event: event{source: "kms.amazonaws.com", name: "CreateGrant", weight: 10, shares: machines},
		parameters: `{"granteePrincipal":"autoscaling.%region%.amazonaws.com",` +
			`"keyId":"arn:aws:kms:%region%:%account%:key/%kmskey%",` +
			`"operations":["Decrypt","GenerateDataKeyWithoutPlaintext","CreateGrant"],` +
			`"retiringPrincipal":"ec2.%region%.amazonaws.com"}`,
		response:  `{"grantId":"%hex:64%","keyId":"arn:aws:kms:%region%:%account%:key/%kmskey%"}`,
		resources: kmsResources},
	{event: event{source: "kms.amazonaws.com", name: "RotateKey", kind: "AwsServiceEvent", weight: 2,
		shares: []share{{noType, 1}}},
		additional: `,"serviceEventDetails":{"keyId":"%kmskey%","rotationType":"AUTOMATIC"}`, resources: kmsResources},

	// EC2.
	{event: event{source: "ec2.amazonaws.com", name: "DescribeInstances", weight: 55, readOnly: true, human: 60,
		errorShare: 30},
		denied: "Client.UnauthorizedOperation", other: "Client.RequestLimitExceeded",
		parameters: `{"instancesSet":{"items":[%instances:60%]},"filterSet":{}}`},
	{event: event{source: "ec2.amazonaws.com", name: "DescribeSecurityGroups", weight: 22, readOnly: true, human: 100,
		errorShare: 30},
		denied: "Client.UnauthorizedOperation",
		parameters: `{"maxResults":1000,"securityGroupSet":{},` +
			`"securityGroupIdSet":{"items":[{"groupId":"sg-0%hex:16%"}]},"filterSet":{}}`},
	{event: event{source: "ec2.amazonaws.com", name: "DescribeVolumes", weight: 20, readOnly: true},
		parameters: `{"maxResults":500,"volumeSet":{},"filterSet":{"items":[{"name":"attachment.instance-id",` +
			`"valueSet":{"items":` +
			`[{"value":"%instance%"}]}}]}}`},
	{event: event{source: "ec2.amazonaws.com", name: "CreateTags", weight: 10},
		parameters: `{"resourcesSet":{"items":[{"resourceId":"%instance%"},{"resourceId":"vol-0%hex:16%"}]},` +
			`"tagSet":{"items":` +
			`[{"key":"Owner","value":"%owner%"},{"key":"aws:autoscaling:groupName","value":"web-%hex:8%"}]}}`,
		response: `{"requestId":"%uuid%","_return":true}`},
	{event: event{source: "ec2.amazonaws.com", name: "RunInstances", weight: 6, human: 80, errorShare: 100},
		denied: "Client.UnauthorizedOperation", other: "Client.InstanceLimitExceeded",
		parameters: `{"instancesSet":{"items":[{"imageId":"ami-0%hex:16%","minCount":1,"maxCount":1,` +
			`"keyName":"ops"}]},"userData":` +
			`"<sensitiveDataRemoved>","instanceType":"m7g.large","blockDeviceMapping":{"items":[{"deviceName":"/` +
			`dev/xvda","ebs":{"volumeSize":50,` +
			`"deleteOnTermination":true,"volumeType":"gp3","encrypted":true}}]},"monitoring":{"enabled":true},` +
			`"clientToken":"%uuid%",` +
			`"tagSpecificationSet":{"items":[{"resourceType":"instance","tags":[{"key":"Owner","value":"%owner%"}]}]}}`,
		response: `{"requestId":"%uuid%","reservationId":"r-0%hex:16%","ownerId":"%account%","groupSet":{},` +
			`"instancesSet":{"items":` +
			`[{"instanceId":"%instance%","imageId":"ami-0%hex:16%","instanceState":{"code":0,"name":"pending"},` +
			`"privateDnsName":` +
			`"ip-10-0-%below:256%-%below:256%.%region%.compute.internal","amiLaunchIndex":0,` +
			`"instanceType":"m7g.large","launchTime":1741010400000,` +
			`"placement":{"availabilityZone":"%region%a","tenancy":"default"},"subnetId":"subnet-0%hex:16%",` +
			`"vpcId":"vpc-0%hex:16%",` +
			`"architecture":"arm64","rootDeviceType":"ebs","hypervisor":"xen","ebsOptimized":false,` +
			`"tagSet":{"items":[{"key":"Owner",` +
			`"value":"%owner%"}]}}]}}`},
	{event: event{source: "ec2.amazonaws.com", name: "AuthorizeSecurityGroupIngress", weight: 3, human: 500,
		errorShare: 60},
		denied: "Client.UnauthorizedOperation",
		parameters: `{"groupId":"sg-0%hex:16%","ipPermissions":{"items":[{"ipProtocol":"tcp","fromPort":443,` +
			`"toPort":443,"groups":{},"ipRanges":` +
			`{"items":[%cidrs:120%]},"ipv6Ranges":{},"prefixListIds":{}}]}}`,
		response: `{"requestId":"%uuid%","_return":true}`},

	// Systems Manager.
	{event: event{source: "ssm.amazonaws.com", name: "GetParameter", weight: 30, readOnly: true, errorShare: 60},
		other:      "ParameterNotFound",
		parameters: `{"name":"/prod/%function%/database/password","withDecryption":true}`,
		resources: `,"resources":[{"accountId":"%account%","ARN":"arn:aws:ssm:%region%:%account%:parameter/prod/` +
			`%function%/database/password"}]`},
	{event: event{source: "ssm.amazonaws.com", name: "UpdateInstanceInformation", weight: 70, shares: machines},
		parameters: `{"instanceId":"%instance%","agentVersion":"3.3.1611.0","agentStatus":"Active",` +
			`"platformType":"Linux","platformName":` +
			`"Amazon Linux","platformVersion":"2023","iPAddress":"10.0.%below:256%.%below:256%","computerName":` +
			`"ip-10-0-%below:256%-%below:256%.%region%.compute.internal","agentName":"amazon-ssm-agent",` +
			`"availabilityZone":"%region%a",` +
			`"availabilityZoneId":"euw1-az%below:3%","sSMConnectionChannel":"ssmmessages"}`},
	{event: event{source: "ssm.amazonaws.com", name: "PutInventory", weight: 10, shares: machines},
		parameters: `{"instanceId":"%instance%","items":[{"typeName":"AWS:Application","schemaVersion":"1.1",` +
			`"captureTime":"2025-03-03T09:12:35Z",` +
			`"contentHash":"%base64:22%==","content":[%applications:140%]}]}`},
	{event: event{source: "ssm.amazonaws.com", name: "StartSession", weight: 4, session: true, human: 1000,
		errorShare: 80, shares: operators},
		other:      "TargetNotConnected",
		parameters: `{"target":"%target%","documentName":"SSM-SessionManagerRunShell","reason":"%reason%"}`,
		response: `{"sessionId":"%ssmsession%","tokenValue":"Value hidden due to security reasons.",` +
			`"streamUrl":"wss://ssmmessages.%region%` +
			`.amazonaws.com/v1/data-channel/%ssmsession%?role=publish_subscribe&cell-number=%base64:80%"}`},
	{event: event{source: "ssm.amazonaws.com", name: "ResumeSession", weight: 1, session: true, human: 1000,
		shares: operators},
		parameters: `{"sessionId":"%ssmsession%"}`,
		response: `{"sessionId":"%ssmsession%","tokenValue":"Value hidden due to security reasons.",` +
			`"streamUrl":"wss://ssmmessages.%region%` +
			`.amazonaws.com/v1/data-channel/%ssmsession%?role=publish_subscribe"}`},
	{event: event{source: "ssm.amazonaws.com", name: "TerminateSession", weight: 3, session: true, human: 1000,
		shares: operators},
		parameters: `{"sessionId":"%ssmsession%"}`, response: `{"sessionId":"%ssmsession%"}`},

	// IAM and sign-in.
	{event: event{source: "iam.amazonaws.com", name: "GetRole", weight: 25, readOnly: true, human: 80,
		errorShare: 60}, other: "NoSuchEntityException",
		parameters: `{"roleName":"%role%"}`},
	{event: event{source: "iam.amazonaws.com", name: "ListAttachedRolePolicies", weight: 12, readOnly: true,
		human: 80, errorShare: 40},
		parameters: `{"roleName":"%role%"}`},
	{event: event{source: "iam.amazonaws.com", name: "PutRolePolicy", weight: 4, human: 300, errorShare: 80},
		parameters: `{"roleName":"%role%","policyName":"inline-%hex:8%",` +
			`"policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":` +
			`[%statements:60%]}"}`},
	{event: event{source: "iam.amazonaws.com", name: "CreateAccessKey", weight: 1, human: 700, errorShare: 150,
		shares: operators},
		parameters: `{"userName":"%user%"}`,
		response: `{"accessKey":{"userName":"%user%","accessKeyId":"%akia%","status":"Active",` +
			`"createDate":"Mar 3, 2025, 11:20:09 AM"}}`},
	{event: event{source: "signin.amazonaws.com", name: "ConsoleLogin", kind: "AwsConsoleSignIn", weight: 4,
		human: 1000, errorShare: 120,
		keepsResponse: true, shares: signIns},
		response: `{"ConsoleLogin":"Success"}`,
		additional: `,"additionalEventData":{"LoginTo":"https://console.aws.amazon.com/console/` +
			`home?region=%region%","MobileVersion":"No",` +
			`"MFAUsed":"Yes"}`},

	// Lambda, CloudWatch Logs, Secrets Manager.
	{event: event{source: "lambda.amazonaws.com", name: "Invoke", weight: 45, data: true, errorShare: 10,
		shares: machines},
		parameters: `{"functionName":"arn:aws:lambda:%region%:%account%:function:%function%",` +
			`"invocationType":"Event","clientContext":""}`,
		additional: `,` +
			`"additionalEventData":{"functionVersion":"arn:aws:lambda:%region%:%account%:function:%function%:$LATEST"}`,
		resources: `,"resources":[{"accountId":"%account%","type":"AWS::Lambda::Function",` +
			`"ARN":"arn:aws:lambda:%region%:%account%:function:` +
			`%function%"}]`},
	{event: event{source: "lambda.amazonaws.com", name: "GetFunction20150331v2", weight: 12, readOnly: true,
		human: 150, errorShare: 40},
		other: "ResourceNotFoundException", parameters: `{"functionName":"%function%"}`},
	{event: event{source: "lambda.amazonaws.com", name: "UpdateFunctionCode20150331v2", weight: 2, human: 50},
		parameters: `{"functionName":"%function%","s3Bucket":"%bucket%","s3Key":"%key%","publish":true,"dryRun":false}`,
		response: `{"functionName":"%function%",` +
			`"functionArn":"arn:aws:lambda:%region%:%account%:function:%function%","runtime":"python3.12",` +
			`"role":"arn:aws:iam::%account%:role/%rolepath%","handler":"app.handler","codeSize":%below:52428800%,` +
			`"timeout":30,"memorySize":512,` +
			`"lastModified":"2025-03-03T10:12:45.000+0000","codeSha256":"%base64:43%=","version":"%below:400%",` +
			`"environment":{},` +
			`"revisionId":"%uuid%","state":"Active","architectures":["arm64"],"ephemeralStorage":{"size":512}}`},
	{event: event{source: "logs.amazonaws.com", name: "CreateLogStream", weight: 30, errorShare: 50, shares: machines},
		other:      "ResourceAlreadyExistsException",
		parameters: `{"logGroupName":"/aws/lambda/%function%","logStreamName":"2025/03/03/[$LATEST]%hex:32%"}`},
	{event: event{source: "logs.amazonaws.com", name: "DescribeLogStreams", weight: 18, readOnly: true},
		parameters: `{"logGroupName":"/aws/lambda/%function%","descending":true,"orderBy":"LastEventTime","limit":50}`},
	{event: event{source: "secretsmanager.amazonaws.com", name: "GetSecretValue", weight: 14, readOnly: true,
		errorShare: 40},
		parameters: `{"secretId":"arn:aws:secretsmanager:%region%:%account%:secret:prod/%function%-AbC12d"}`},
}

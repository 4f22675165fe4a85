package sessions

import (
	"fmt"
	"math/rand/v2"
)

type place struct{ account, region string }

var accounts = []string{"111122223333", "444455556666", "123456789012", "210987654321", "555566667777", "999988887777"}

var regions = []string{"eu-west-1", "us-east-1", "eu-central-1", "ap-southeast-2"}

func choosePlace(r *rand.Rand) place {
	return place{accounts[skewed(r, len(accounts))], regions[skewed(r, len(regions))]}
}

// task is a task of ECS.
type task struct{ cluster, id, container string }

// machines is how many instances, managed nodes and tasks an account has in a region.
const machines = 12

// chooseTarget chooses what the session is opened to: an EC2 instance, a managed node, or a container.
func (s *scene) chooseTarget(seed uint64) {
	n := skewed(s.Rand, machines)
	name := fmt.Sprint(seed, s.place, n)
	switch kind := s.truth.Kind; {
	case kind == KindECSExec, kind == KindPortForward && oneIn(s.Rand, 3):
		s.task = task{clusters[n%len(clusters)], stable(name, hexadecimal, 32), containers[n%len(containers)]}
		// ecs:<cluster>_<task id>_<runtime id of the container>
		s.target = "ecs:" + s.task.cluster + "_" + s.task.id + "_" + s.task.id + "-" + stable(name, digits, 10)
	case kind != KindRemoteDesktop && oneIn(s.Rand, 8):
		s.target = "mi-0" + stable(name, hexadecimal, 16)
	default:
		s.target = "i-0" + stable(name, hexadecimal, 16)
	}
	s.truth.Target = s.target
	if s.truth.Kind == KindECSExec {
		s.truth.Target = s.taskARN()
	}
}

func (s *scene) taskARN() string {
	return "arn:aws:ecs:" + s.place.region + ":" + s.place.account + ":task/" + s.task.cluster + "/" + s.task.id
}

var (
	clusters   = []string{"shop", "payments_prod", "batch-jobs"}
	containers = []string{"app", "nginx", "worker", "app"}
)

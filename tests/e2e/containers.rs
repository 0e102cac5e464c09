//! Agents in containers of a real runtime, chosen by the cgroup that the runtime puts them in.

use std::path::Path;

use gateway_tests::cgroup::Cgroup;
use gateway_tests::gateway::Gateway;
use gateway_tests::namespace::Namespace;
use gateway_tests::podman::Podman;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::postgres::{Options, Postgres};
use gateway_tests::programs::said;
use gateway_tests::wait;
use nix::sys::signal::Signal;

use crate::stage::{gateway, psql_to};

/// A containers' host with a database on it, at the address by which the gateway reaches it too.
struct Host {
    // In the order in which they have to go.
    podman: Podman,
    gateway: Gateway,
    server: Postgres,
    namespace: Namespace,
}

/// With this in the table of the workload `chosen`.
fn host(choice: &str) -> Host {
    let namespace = Namespace::new().unwrap();
    let server = Postgres::start(&Options {
        listen: namespace.guest(),
        namespace: Some(&namespace),
        ..Options::default()
    })
    .unwrap();
    let address = format!("{}/32:{}", namespace.guest(), server.port());
    let policy = PolicyFile::new()
        .shop(&address, "upstream = { tls = \"disable\" }")
        .piece(&format!("[[workload]]\nname = \"chosen\"\n{choice}"))
        .allow_all();
    let gateway = gateway(&policy);
    let podman = Podman::new(&namespace).unwrap();
    Host {
        podman,
        gateway,
        server,
        namespace,
    }
}

impl Host {
    /// What a container is answered when it asks the database from where it comes.
    fn ask(&self, container: &str) -> String {
        let conninfo = self.server.conninfo(self.namespace.guest(), "app");
        let question = "SELECT host(inet_client_addr())";
        let psql = psql_to(&conninfo, &["-qAt", "-c", question]);
        said(&self.podman.execute(container, &psql).unwrap())
    }

    /// Asserts that a container is served by the gateway, and that it is known which one asked.
    fn is_served(&self, container: &str) {
        let before = self.gateway.wait_recordings(0).unwrap().len();
        let answer = self.ask(container);
        // The connection that the database sees is the gateway's.
        assert_eq!(answer.trim(), self.namespace.host(), "{container}");
        let all = self.gateway.wait_recordings(before + 1).unwrap();
        let open = all.last().unwrap().events("open").next().unwrap().clone();
        let subject = &open["subject"];
        assert_eq!(subject["workload"], "chosen", "{open}");
        let cgroup = subject["cgroup"].as_str().unwrap();
        assert!(cgroup.contains(container), "{open}");
        let program = subject["process"].to_string();
        assert!(program.contains("psql"), "{open}");
    }

    /// How often something was attached at exactly this path, or below it.
    fn attached(&self, path: &Path) -> usize {
        let log = self.gateway.enforcement().unwrap();
        let path = path.to_str().unwrap();
        let is_it = |line: &&serde_json::Value| {
            line["event"] == "attached" && line.to_string().contains(path)
        };
        log.iter().filter(is_it).count()
    }
}

fn own(name: &str) -> String {
    format!("gateway-test-{}-{name}", std::process::id())
}

#[test]
fn containers_below_an_attached_parent_are_agents_on_every_network() {
    let parent = Cgroup::new("containers").unwrap();
    let name = own("containers");
    let mut host = host(&format!("cgroups = [{name:?}]"));
    // The last has no way out at all but by the gateway.
    for network in ["bridge", "host", "none"] {
        let container = host.podman.start(&format!("/{name}"), network).unwrap();
        host.is_served(&container);
        host.podman.restart(&container).unwrap();
        host.is_served(&container);
        if network == "bridge" {
            host.gateway.stop(Signal::SIGKILL).unwrap();
            let refused = host.ask(&container);
            assert!(refused.contains("Connection refused"), "{refused}");
            host.gateway.restart().unwrap();
            host.is_served(&container);
        }
        host.podman.remove(&container).unwrap();
    }
    drop(host);
    drop(parent);
}

#[test]
fn containers_are_attached_as_they_appear_and_restart() {
    let parent = Cgroup::new("appearing").unwrap();
    let name = own("appearing");
    let host = host(&format!("cgroups = [\"{name}/*\"]"));
    let container = host.podman.start(&format!("/{name}"), "bridge").unwrap();
    let cgroup = parent.path().join(format!("libpod-{container}"));
    for times in 1..=2 {
        wait::until("the container is attached", || {
            Ok((host.attached(&cgroup) >= times).then_some(()))
        })
        .unwrap();
        host.is_served(&container);
        if times == 1 {
            host.podman.restart(&container).unwrap();
        }
    }
    // One that nobody chose is no agent, on the same host.
    let other = Cgroup::new("unchosen").unwrap();
    let stranger = format!("/{}", own("unchosen"));
    let stranger = host.podman.start(&stranger, "bridge").unwrap();
    let before = host.gateway.recordings().unwrap().len();
    assert_ne!(host.ask(&stranger).trim(), host.namespace.host());
    assert_eq!(host.gateway.recordings().unwrap().len(), before);
    drop(host);
    drop((other, parent));
}

#[test]
fn pods_are_chosen_where_a_kubelet_puts_them() {
    // What the kubelet makes before the first container: with systemd as the driver, and without.
    let slice = own("kubepods.slice");
    let plain = own("kubepods");
    let classes = [
        Cgroup::new("kubepods.slice").unwrap(),
        Cgroup::new("kubepods").unwrap(),
    ];
    let host = host(&format!(
        "cgroups = [\"{slice}/*/kubepods-*-pod0b1f.slice\", \"{plain}/*/pod0b1f\"]"
    ));
    let inner = [
        classes[0].child("kubepods-burstable.slice").unwrap(),
        classes[1].child("burstable").unwrap(),
    ];
    let pods = [
        inner[0].child("kubepods-burstable-pod0b1f.slice").unwrap(),
        inner[1].child("pod0b1f").unwrap(),
    ];
    let parents = [
        // Without systemd Podman takes no slice as a parent, so the scope is made by it.
        format!(
            "/{slice}/kubepods-burstable.slice/kubepods-burstable-pod0b1f.slice/\
             cri-containerd-1.scope"
        ),
        format!("/{plain}/burstable/pod0b1f"),
    ];
    for (pod, parent) in pods.iter().zip(&parents) {
        wait::until("the pod is attached", || {
            Ok((host.attached(pod.path()) == 1).then_some(()))
        })
        .unwrap();
        let container = host.podman.start(parent, "bridge").unwrap();
        host.is_served(&container);
    }
    drop(host);
    drop((pods, inner, classes));
}

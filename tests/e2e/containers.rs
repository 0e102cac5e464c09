//! Agents in containers of real engines, chosen by the cgroup that the engine puts them in.

use std::path::Path;

use gateway_tests::cgroup::Cgroup;
use gateway_tests::containers::{Containers, Engine};
use gateway_tests::gateway::Gateway;
use gateway_tests::namespace::Namespace;
use gateway_tests::postgres::Postgres;
use gateway_tests::programs::{self, find, said};
use gateway_tests::systemd::Root;
use gateway_tests::wait;
use nix::sys::signal::Signal;

use crate::stage::{choosing, far_database, gateway, psql_to};

/// A containers' host with a database on it, at the address by which the gateway reaches it too.
struct Host {
    // In the order in which they have to go.
    containers: Containers,
    gateway: Gateway,
    server: Postgres,
    namespace: Namespace,
}

/// With this in the table of the workload `chosen`.
fn host(engine: Engine, choice: &str) -> Host {
    let (namespace, server) = far_database();
    let gateway = gateway(&choosing(choice, &namespace, &server));
    let containers = Containers::new(engine, &namespace).unwrap();
    Host {
        containers,
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
        said(&self.containers.execute(container, &psql).unwrap())
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
fn containers_of_podman_below_an_attached_parent_are_agents_on_every_network() {
    are_agents_on_every_network(Engine::Podman, "podman");
}

#[test]
fn containers_of_docker_below_an_attached_parent_are_agents_on_every_network() {
    are_agents_on_every_network(Engine::Docker, "docker");
}

fn are_agents_on_every_network(engine: Engine, name: &str) {
    let parent = Cgroup::new(name).unwrap();
    let name = own(name);
    let mut host = host(engine, &format!("cgroups = [{name:?}]"));
    // The last has no way out at all but by the gateway.
    for network in ["bridge", "host", "none"] {
        let container = host.containers.start(&format!("/{name}"), network).unwrap();
        host.is_served(&container);
        host.containers.restart(&container).unwrap();
        host.is_served(&container);
        if network == "bridge" {
            host.gateway.stop(Signal::SIGKILL).unwrap();
            let refused = host.ask(&container);
            assert!(refused.contains("Connection refused"), "{refused}");
            host.gateway.restart().unwrap();
            host.is_served(&container);
        }
        host.containers.remove(&container).unwrap();
    }
    drop(host);
    drop(parent);
}

#[test]
fn containers_of_podman_are_attached_as_they_appear_and_restart() {
    are_attached_as_they_appear(Engine::Podman, "appearing-podman");
}

#[test]
fn containers_of_docker_are_attached_as_they_appear_and_restart() {
    are_attached_as_they_appear(Engine::Docker, "appearing-docker");
}

fn are_attached_as_they_appear(engine: Engine, name: &str) {
    let parent = Cgroup::new(name).unwrap();
    let strangers = format!("stranger-to-{name}");
    let name = own(name);
    let host = host(engine, &format!("cgroups = [\"{name}/*\"]"));
    let container = host
        .containers
        .start(&format!("/{name}"), "bridge")
        .unwrap();
    let cgroup = parent.path().join(host.containers.cgroup(&container));
    for times in 1..=2 {
        wait::until("the container is attached", || {
            Ok((host.attached(&cgroup) >= times).then_some(()))
        })
        .unwrap();
        host.is_served(&container);
        if times == 1 {
            host.containers.restart(&container).unwrap();
        }
    }
    // One that nobody chose is no agent, on the same host.
    let other = Cgroup::new(&strangers).unwrap();
    let stranger = format!("/{}", own(&strangers));
    let stranger = host.containers.start(&stranger, "bridge").unwrap();
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
    let choice =
        format!("cgroups = [\"{slice}/*/kubepods-*-pod0b1f.slice\", \"{plain}/*/pod0b1f\"]");
    let host = host(Engine::Podman, &choice);
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
        let container = host.containers.start(parent, "bridge").unwrap();
        host.is_served(&container);
    }
    drop(host);
    drop((pods, inner, classes));
}

#[test]
fn containers_of_docker_are_agents_in_a_slice_of_systemd() {
    let (namespace, server) = far_database();
    let policy = choosing("units = [\"agents.slice\"]", &namespace, &server);
    let gateway = gateway(&policy);
    let root = Root::new().unwrap();
    // Something stays in the slice, so that systemd keeps it.
    let stays = "[Unit]\nDefaultDependencies=no\n\
                 [Service]\nSlice=agents.slice\nExecStart=/bin/sleep infinity\n";
    root.file("etc/systemd/system/stays.service", stays)
        .unwrap();
    root.file("etc/docker/daemon.json", "{}").unwrap();
    let docker = format!(
        "[Unit]\nDefaultDependencies=no\n[Service]\nDelegate=yes\nExecStart={} \
         --exec-opt=native.cgroupdriver=systemd --storage-driver=vfs \
         --bridge=none --iptables=false --ip-forward=false\n",
        find("dockerd").unwrap().display()
    );
    root.file("etc/systemd/system/docker.service", &docker)
        .unwrap();
    let program = programs::gateway().unwrap();
    let systemd = root.start("docker", &namespace, &program).unwrap();
    systemd
        .ask(&["start", "stays.service", "docker.service"])
        .unwrap();
    let containers = Containers::docker_in(&systemd).unwrap();
    let host = Host {
        containers,
        gateway,
        server,
        namespace,
    };
    for network in ["host", "none"] {
        let container = host.containers.start("agents.slice", network).unwrap();
        host.is_served(&container);
        host.containers.restart(&container).unwrap();
        host.is_served(&container);
    }
    drop(host);
}

//! The example policies: each is sound, and does what the cases beside it say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gateway_tests::programs::{Profile, build_gateway, said};

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples");
    let files = fs::read_dir(folder).expect("there are examples");
    let paths = files.map(|file| file.expect("the folder can be read").path());
    let mut policies: Vec<_> = paths
        .filter(|path| !path.to_string_lossy().ends_with(".test.toml"))
        .collect();
    policies.sort();
    policies
}

#[test]
fn example_policies_do_what_they_say() {
    let program = build_gateway(Profile::Dev).unwrap();
    let examples = examples();
    assert!(examples.len() >= 2, "{examples:?}");
    for policy in examples {
        for arguments in [&["policy", "check", "--strict"][..], &["policy", "test"]] {
            let mut command = Command::new(&program);
            command.args(arguments).arg("--config").arg(&policy);
            let ran = command.output().unwrap();
            assert!(ran.status.success(), "{}: {}", policy.display(), said(&ran));
        }
    }
}

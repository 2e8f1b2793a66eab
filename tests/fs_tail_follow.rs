//! The example `tail_follow`, really run.

use corobin::process::{Child, Stdio};
use corobin::run;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};

#[path = "common/example.rs"]
mod example;
#[path = "common/temp_dir.rs"]
mod temp_dir;
use example::example;
use temp_dir::TempDir;

fn expect(child: &mut Child, text: &str) {
    let mut got = vec![0; text.len()];
    child.stdout.as_mut().unwrap().read_exact(&mut got).unwrap();
    assert_eq!(String::from_utf8(got).unwrap(), text);
}

#[test]
fn it_follows_what_is_added_cut_off_and_replaced() {
    let dir = TempDir::new();
    let path = dir.join("log");
    std::fs::write(&path, "before\n").unwrap();
    run(|| {
        let mut child = example("tail_follow")
            .arg(&path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        expect(&mut child, "before\n");
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        for n in 0..20 {
            writeln!(file, "line {n}").unwrap();
            expect(&mut child, &format!("line {n}\n"));
        }
        file.set_len(0).unwrap();
        file.write_all(b"cut\n").unwrap();
        expect(&mut child, "cut\n");
        // As log rotation does it.
        std::fs::rename(&path, dir.join("log.1")).unwrap();
        let mut file = File::create(&path).unwrap();
        file.write_all(b"a new one\n").unwrap();
        expect(&mut child, "a new one\n");
        let pid = Pid::from_raw(child.id() as i32).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        assert!(
            child.wait().unwrap().success(),
            "Ctrl-C ends it in good order"
        );
        let mut rest = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut rest)
            .unwrap();
        assert_eq!(rest, "");
    });
}

#[test]
fn misuse_is_told() {
    run(|| {
        let output = example("tail_follow").output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(
            String::from_utf8(output.stderr)
                .unwrap()
                .starts_with("usage")
        );
    });
}

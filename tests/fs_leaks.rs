//! Descriptors are closed: alone in its process, since it counts them.

use corobin::fs::{self, File};
use corobin::{run, scope, yield_now};
use std::io::Read;

#[path = "common/temp_dir.rs"]
mod temp_dir;
use temp_dir::TempDir;

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn cancelled_calls_leave_no_descriptor_open() {
    let dir = TempDir::new();
    for n in 0..300 {
        std::fs::write(dir.join(&n.to_string()), "content").unwrap();
    }
    let before = open_descriptors();
    run(|| {
        for turns in 0..200 {
            scope(|s| {
                s.spawn(|| {
                    loop {
                        for entry in fs::read_dir(dir.path()).unwrap() {
                            let mut file = File::open(entry.unwrap().path()).unwrap();
                            let _clone = file.try_clone().unwrap();
                            file.read_exact(&mut [0; 7]).unwrap();
                        }
                    }
                });
                for _ in 0..turns {
                    yield_now();
                }
                s.cancel();
            });
        }
    });
    assert_eq!(open_descriptors(), before);
}

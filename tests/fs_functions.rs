//! The functions of `corobin::fs`, against those of std.

use corobin::fs::{self, DirBuilder, File, OpenOptions};
use corobin::{Runtime, run, spawn, to_thread};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, DirEntryExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

#[path = "common/temp_dir.rs"]
mod temp_dir;
use temp_dir::TempDir;

/// The same error as std's, to the number.
fn assert_same_error<T: std::fmt::Debug, U: std::fmt::Debug>(
    ours: std::io::Result<T>,
    stds: std::io::Result<U>,
) {
    let (ours, stds) = (ours.unwrap_err(), stds.unwrap_err());
    assert_eq!(ours.kind(), stds.kind());
    assert_eq!(ours.raw_os_error(), stds.raw_os_error());
}

#[test]
fn smoke() {
    let dir = TempDir::new();
    let path = dir.join("file");
    run(|| {
        fs::write(&path, "hello").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"hello");
        assert_eq!(fs::read_to_string(&path).unwrap(), "hello");
    });
    assert_eq!(std::fs::read(&path).unwrap(), b"hello");
}

#[test]
fn each_function_does_what_its_namesake_does() {
    let dir = TempDir::new();
    let (a, b, c) = (dir.join("a"), dir.join("b"), dir.join("c"));
    run(|| {
        assert!(!fs::exists(&a).unwrap());
        fs::write(&a, [1, 2, 3]).unwrap();
        assert!(fs::exists(&a).unwrap() && fs::try_exists(&a).unwrap());
        assert_eq!(fs::copy(&a, &b).unwrap(), 3);
        assert_eq!(std::fs::read(&b).unwrap(), [1, 2, 3]);
        fs::rename(&b, &c).unwrap();
        assert!(!b.exists() && c.exists());
        fs::hard_link(&a, &b).unwrap();
        assert_eq!(fs::metadata(&a).unwrap().nlink(), 2);
        fs::remove_file(&b).unwrap();
        fs::symlink("a", &b).unwrap();
        assert_eq!(fs::read_link(&b).unwrap(), Path::new("a"));
        assert!(fs::symlink_metadata(&b).unwrap().is_symlink());
        assert!(fs::metadata(&b).unwrap().is_file());
        assert_eq!(fs::canonicalize(&b).unwrap(), a.canonicalize().unwrap());
        fs::set_permissions(&a, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(a.metadata().unwrap().mode() & 0o777, 0o640);

        fs::create_dir(dir.join("d")).unwrap();
        fs::create_dir_all(dir.join("d/e/f")).unwrap();
        fs::create_dir_all(dir.join("d/e/f")).unwrap();
        fs::remove_dir(dir.join("d/e/f")).unwrap();
        fs::write(dir.join("d/e/file"), "").unwrap();
        fs::remove_dir_all(dir.join("d")).unwrap();
        assert!(!dir.join("d").exists());
    });
}

#[test]
fn errors_are_those_of_std() {
    let dir = TempDir::new();
    let (none, folder) = (dir.join("none"), dir.path());
    let text = dir.join("text");
    std::fs::write(&text, [0xff]).unwrap();
    run(|| {
        assert_same_error(fs::read(&none), std::fs::read(&none));
        assert_same_error(fs::read_to_string(&text), std::fs::read_to_string(&text));
        assert_same_error(fs::write(folder, "x"), std::fs::write(folder, "x"));
        assert_same_error(fs::copy(&none, &text), std::fs::copy(&none, &text));
        assert_same_error(fs::rename(&none, &text), std::fs::rename(&none, &text));
        assert_same_error(
            fs::hard_link(&none, &text),
            std::fs::hard_link(&none, &text),
        );
        assert_same_error(fs::read_link(&text), std::fs::read_link(&text));
        assert_same_error(fs::canonicalize(&none), std::fs::canonicalize(&none));
        assert_same_error(fs::metadata(&none), std::fs::metadata(&none));
        assert_same_error(
            fs::symlink_metadata(&none),
            std::fs::symlink_metadata(&none),
        );
        assert_same_error(fs::create_dir(folder), std::fs::create_dir(folder));
        assert_same_error(fs::create_dir_all(&text), std::fs::create_dir_all(&text));
        assert_same_error(fs::remove_dir(folder), std::fs::remove_dir(folder));
        assert_same_error(fs::remove_dir(&none), std::fs::remove_dir(&none));
        assert_same_error(fs::remove_file(folder), std::fs::remove_file(folder));
        assert_same_error(fs::remove_dir_all(&none), std::fs::remove_dir_all(&none));
        assert_same_error(fs::read_dir(&none), std::fs::read_dir(&none));
        assert_same_error(fs::read_dir(&text), std::fs::read_dir(&text));
        assert_same_error(File::open(&none), std::fs::File::open(&none));
        assert_same_error(File::create_new(&text), std::fs::File::create_new(&text));
        assert_same_error(File::open("a\0b"), std::fs::File::open("a\0b"));
        let nothing = (
            OpenOptions::new().open(&text),
            std::fs::OpenOptions::new().open(&text),
        );
        assert_same_error(nothing.0, nothing.1);
        let mut folder = (
            File::open(folder).unwrap(),
            std::fs::File::open(folder).unwrap(),
        );
        assert_same_error(folder.0.read(&mut [0]), folder.1.read(&mut [0]));
        let mut text = (
            File::open(&text).unwrap(),
            std::fs::File::open(&text).unwrap(),
        );
        assert_same_error(text.0.write(&[0]), text.1.write(&[0]));
    });
}

#[test]
fn options_are_kept() {
    let dir = TempDir::new();
    let path = dir.join("log");
    run(|| {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        for word in ["one ", "two "] {
            options
                .open(&path)
                .unwrap()
                .write_all(word.as_bytes())
                .unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "one two ");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
        // O_NOFOLLOW
        fs::symlink(&path, dir.join("link")).unwrap();
        let link = OpenOptions::new()
            .read(true)
            .custom_flags(0o400000)
            .open(dir.join("link"));
        assert_eq!(link.unwrap_err().raw_os_error(), Some(40)); // ELOOP
        let deep = dir.join("x/y");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&deep)
            .unwrap();
        assert_eq!(fs::metadata(&deep).unwrap().mode() & 0o777, 0o700);
    });
}

#[test]
fn a_directory_of_any_size_is_listed_once_each() {
    for count in [0, 1, 127, 128, 129, 256, 1000] {
        let dir = TempDir::new();
        for n in 0..count {
            std::fs::write(dir.join(&n.to_string()), "").unwrap();
        }
        let names: Vec<_> = run(|| {
            fs::read_dir(dir.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect()
        });
        assert_eq!(names.len(), count);
        let names: BTreeSet<_> = names.into_iter().collect();
        assert_eq!(names, (0..count).map(|n| n.to_string()).collect());
    }
}

#[test]
fn entries_know_what_std_knows() {
    let dir = TempDir::new();
    std::fs::create_dir(dir.join("folder")).unwrap();
    std::fs::write(dir.join("file"), "123").unwrap();
    std::os::unix::fs::symlink("file", dir.join("link")).unwrap();
    run(|| {
        let mut entries = fs::read_dir(dir.path()).unwrap();
        assert!(format!("{entries:?}").contains("corobin-test"));
        let mut found = BTreeSet::new();
        for entry in &mut entries {
            let entry = entry.unwrap();
            let stds = std::fs::symlink_metadata(entry.path()).unwrap();
            assert_eq!(entry.file_type().unwrap(), stds.file_type());
            assert_eq!(entry.metadata().unwrap().ino(), stds.ino());
            assert_eq!(entry.ino(), stds.ino());
            assert!(format!("{entry:?}").contains(&*entry.file_name().to_string_lossy()));
            found.insert(entry.file_name().into_string().unwrap());
        }
        assert!(entries.next().is_none(), "the iterator is fused");
        assert_eq!(Vec::from_iter(found), ["file", "folder", "link"]);
    });
}

#[test]
fn buffered_readers_and_writers_of_std_work() {
    let dir = TempDir::new();
    let path = dir.join("lines");
    run(|| {
        let mut writer = BufWriter::new(File::create(&path).unwrap());
        for n in 0..10_000 {
            writeln!(writer, "{n}").unwrap();
        }
        writer.into_inner().unwrap().sync_all().unwrap();
        let lines = BufReader::new(File::open(&path).unwrap()).lines();
        for (n, line) in lines.enumerate() {
            assert_eq!(line.unwrap(), n.to_string());
        }
        let (mut from, mut to) = (File::open(&path).unwrap(), Vec::new());
        std::io::copy(&mut from, &mut to).unwrap();
        assert_eq!(to, std::fs::read(&path).unwrap());
    });
}

#[test]
fn what_is_known_about_an_open_file_can_be_set() {
    let dir = TempDir::new();
    let path = dir.join("file");
    run(|| {
        let file = File::create_new(&path).unwrap();
        file.set_len(10).unwrap();
        file.sync_data().unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        file.set_modified(time).unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o400))
            .unwrap();
        let known = file.metadata().unwrap();
        assert_eq!((known.len(), known.mode() & 0o777), (10, 0o400));
        assert_eq!(known.modified().unwrap(), time);
        file.set_times(fs::FileTimes::new().set_accessed(time))
            .unwrap();
        assert_eq!(file.metadata().unwrap().accessed().unwrap(), time);
        assert!(format!("{file:?}").contains("file"));
    });
}

#[test]
fn outside_of_a_runtime_the_thread_blocks() {
    let dir = TempDir::new();
    let path = dir.join("file");
    fs::write(&path, "abc").unwrap();
    let mut file = File::open(&path).unwrap();
    let mut buf = [0; 2];
    file.read_exact(&mut buf).unwrap();
    assert_eq!(&buf, b"ab");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    // What was opened outside works inside, and on other threads.
    run(|| {
        assert_eq!(file.read(&mut buf).unwrap(), 1);
        to_thread(|| assert_eq!(file.read(&mut buf).unwrap(), 0));
    });
}

#[test]
fn one_thread_is_enough_for_many() {
    let dir = TempDir::new();
    let mut runtime = Runtime::builder()
        .thread_pool(1, Duration::from_secs(1))
        .build()
        .unwrap();
    runtime.run(|| {
        let writers: Vec<_> = (0..100)
            .map(|n| {
                let path = dir.join(&n.to_string());
                spawn(move || {
                    fs::write(&path, path.to_str().unwrap()).unwrap();
                    fs::read_to_string(&path).unwrap() == path.to_str().unwrap()
                })
            })
            .collect();
        assert!(writers.into_iter().all(|writer| writer.join().unwrap()));
    });
}

#[test]
fn virtual_time_stands_still_meanwhile() {
    let dir = TempDir::new();
    let mut runtime = Runtime::builder().virtual_time(true).build().unwrap();
    runtime.run(|| {
        spawn(|| corobin::sleep(Duration::from_secs(3600)));
        let start = corobin::now();
        for _ in 0..20 {
            fs::write(dir.join("file"), "abc").unwrap();
            fs::read(dir.join("file")).unwrap();
        }
        assert_eq!(corobin::now(), start);
    });
}

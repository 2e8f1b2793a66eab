//! Where threads win.

use std::thread::available_parallelism;
use std::time::Duration;

use super::Scale;
use crate::contenders::crossover::{calibrate, corobin, threads, workers};
use crate::rounds::Contender;
use crate::rows::Row;

const CURVE: &str = "64 tasks that compute: µs a task by µs of work";
const TASKS: usize = 64;

pub fn rows(scale: Scale) -> Vec<Row> {
    let cores = available_parallelism().map_or(1, usize::from);
    let spans = [1, 10, 30, 100, 300, 1_000];
    let row = |micros: u64| {
        let steps = calibrate(Duration::from_micros(micros));
        // About a tenth of a second.
        let times = scale.times((100_000 / (micros * TASKS as u64)).max(2));
        let each = move |program: &mut dyn FnMut(usize, u64) -> Duration| {
            let took: Duration = (0..times).map(|_| program(TASKS, steps)).sum();
            took.as_secs_f64() * 1e6 / (times as usize * TASKS) as f64
        };
        let contenders = vec![
            Contender::new("corobin, one thread", move || each(&mut corobin)),
            Contender::new("OS threads, one a task", move || each(&mut threads)),
            Contender::new(format!("corobin Workers, {cores} threads"), move || {
                each(&mut workers(cores))
            }),
        ];
        let title = format!("a task of {micros} µs of computing");
        Row::new(title, "µs", contenders).on_curve(CURVE, micros as usize)
    };
    spans.map(row).into()
}

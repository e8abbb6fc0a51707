//! Images per second for MNIST's 10,000 test images, on one thread and on all the processor has,
//! beside ONNX Runtime in batches of every size that may be its best.
//!
//! ONNX Runtime gets its threads in both ways it can: one session whose operators share them, and
//! a session per thread. Behind each table are the best of its rows.

use std::num::NonZero;
use std::thread;
use std::time::Duration;

use benches::{OnnxRuntime, SIMPLE_FLOAT, SIMPLE_INT8, Table, as_image, simple, test_images};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use firmware_core::infer_batch;
use ort::value::PrimitiveTensorElementType;
use trainer::learn::backend::{Backend, Choice};

const IMAGES: usize = 10_000;
const PIXELS: usize = 784;
const BATCHES: [usize; 5] = [1, 8, 32, 128, 512];

fn throughput(criterion: &mut Criterion) {
    let test = test_images();
    let integers: Vec<u8> =
        (0..IMAGES).flat_map(|index| test.image(index).iter().copied()).collect();
    let floats: Vec<f32> = integers.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
    let images: Vec<simple::Image> = integers.chunks_exact(PIXELS).map(as_image).collect();
    let mut logits = vec![[0; 10]; IMAGES];

    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let backend = Backend::start(Choice::Onnxruntime, None)
        .map_err(|error| eprintln!("SKIPPED: onnxruntime - {error}"))
        .ok();
    for threads in if cores > 1 { vec![1, cores] } else { vec![1] } {
        let mut group = criterion.benchmark_group(format!("{threads}-threads"));
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(1));
        let mut table = Table::default();
        table.bench(&mut group, "firmware-core", || {
            infer_batch(simple::infer, &images, &mut logits, NonZero::new(threads));
        });
        if let Some(backend) = &backend {
            let mut run = OnnxRuns { backend, group: &mut group, table: &mut table, threads };
            run.batches("f32", SIMPLE_FLOAT, &floats);
            run.batches("int8", SIMPLE_INT8, &integers);
        }
        group.finish();
        println!("{IMAGES} images, threads: {threads}\n");
        table.print(IMAGES);
        table.best(&["firmware-core", "onnxruntime-f32", "onnxruntime-int8"]).print(IMAGES);
    }
}

struct OnnxRuns<'a, 'b> {
    backend: &'a Backend,
    group: &'a mut BenchmarkGroup<'b, WallTime>,
    table: &'a mut Table,
    threads: usize,
}

impl OnnxRuns<'_, '_> {
    fn batches<T>(&mut self, element: &str, onnx: &[u8], pixels: &[T])
    where
        T: PrimitiveTensorElementType + Clone + std::fmt::Debug + Sync + 'static,
    {
        let mut ways = vec![(1, self.threads, "")];
        if self.threads > 1 {
            ways.push((self.threads, 1, "-session-per-thread"));
        }
        for (count, threads, way) in ways {
            let load = |_| OnnxRuntime::load(self.backend, onnx, threads);
            let mut sessions: Vec<OnnxRuntime> = (0..count).map(load).collect();
            for batch in BATCHES {
                let name = format!("onnxruntime-{element}{way}-batch-{batch}");
                let share = IMAGES.div_ceil(count) * PIXELS;
                self.table.bench(self.group, &name, || {
                    thread::scope(|scope| {
                        let shares = sessions.iter_mut().zip(pixels.chunks(share));
                        let mut shares = shares.map(|(session, pixels)| {
                            move || pixels.chunks(batch * PIXELS).for_each(|p| session.run(p))
                        });
                        // The calling thread is one of them.
                        let own = shares.next();
                        shares.for_each(|share| drop(scope.spawn(share)));
                        own.into_iter().for_each(|mut run| run());
                    });
                });
            }
        }
    }
}

criterion_group!(benches, throughput);
criterion_main!(benches);

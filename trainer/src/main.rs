use std::time::{Duration, Instant};
use trainer::{backend::*, data::*, network, recipe::Recipe, training::*};
struct P(Instant);
impl Progress for P {
    fn step(&mut self, e: usize, s: usize, n: usize) { if s % 100 == 0 { eprintln!("{e} {s}/{n} {:.2}s", self.0.elapsed().as_secs_f64()); } }
    fn epoch(&mut self, e: usize, r: &EpochRecord, t: Duration) { println!("{e} {r:?} {t:?}"); }
}
fn main() -> anyhow::Result<()> {
    let choice = if std::env::args().any(|a| a == "tract") { Choice::Tract } else { Choice::Auto };
    let backend = Backend::start(choice, None)?;
    println!("{}", backend.description());
    let sets = Sets::load("data/mnist".as_ref(), 0)?;
    let recipe = Recipe::named("default")?;
    let network = network::simple([1, 28, 28], 10)?;
    let feed = Feed::new(sets.training, recipe.augmentation.clone(), 0, recipe.batch, 2);
    let identity = Identity { network: network.to_string(), recipe: format!("{recipe:?}"), seed: 0, dataset: String::new(), backend: backend.identity().into(), threads: 2 };
    let run = Run { backend: &backend, network: &network, recipe: &recipe, feed: &feed, validation: &sets.validation, identity, workers: 2 };
    run.train(None, "/tmp/ck".as_ref(), &mut P(Instant::now()))?;
    Ok(())
}

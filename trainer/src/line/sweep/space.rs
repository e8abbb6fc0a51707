//! What is varied, and the trials that come of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Table, Value};

use super::plan::{Method, Plan};
use crate::learn::recipe::Recipe;
use crate::learn::toml_error::toml_error;
use inkling_data::random::{Purpose, Random};

/// More trials than this are a slip of the keyboard.
const MOST_TRIALS: usize = 10_000;

/// Draws after which a random sweep gives up looking for a combination that it does not have yet.
const MOST_DRAWS: usize = 1000;

/// One value of the recipe that is varied.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Place in the recipe, keys joined by dots.
    pub path: String,
    pub choice: Choice,
}

/// What an axis is varied over.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    List(Vec<Value>),
    Range(Range),
}

/// Numbers from `low` to `high`, both included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    pub low: f64,
    pub high: f64,
    pub scale: Scale,
    /// Only whole numbers.
    pub whole: bool,
}

/// How numbers of a range are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    #[default]
    Linear,
    /// Evenly over the logarithm.
    Log,
}

impl Range {
    /// Where `value` lies, 0 at `low` and 1 at `high`.
    pub fn place(&self, value: f64) -> f64 {
        let on_scale = |x: f64| if self.scale == Scale::Log { x.ln() } else { x };
        let [low, high] = [self.low, self.high].map(on_scale);
        (on_scale(value) - low) / (high - low)
    }

    /// The number at `place`, 0 to 1: the inverse of [`Range::place`].
    pub fn at(&self, place: f64) -> f64 {
        match self.scale {
            Scale::Linear => self.low + (self.high - self.low) * place,
            Scale::Log => self.low * (self.high / self.low).powf(place),
        }
    }

    fn draw(&self, random: &mut Random) -> Value {
        let place = f64::from(random.unit());
        if self.whole {
            // Every whole number has a piece of the range that begins at it.
            let wider = Range { high: self.high + 1.0, ..*self };
            return Value::Integer(wider.at(place).floor().clamp(self.low, self.high) as i64);
        }
        // Four digits are as fine as anything that is worth trying, and can be read and typed.
        let rounded = format!("{:.3e}", self.at(place)).parse().unwrap_or(self.low);
        Value::Float(f64::clamp(rounded, self.low, self.high))
    }
}

/// One combination of values.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Counted from 1.
    pub number: usize,
    /// The value of every axis, in their order.
    pub values: Vec<Value>,
    pub recipe: Recipe,
}

/// The axes of a plan, in the order of their paths.
///
/// # Errors
///
/// One line: the entry that makes no sense, and what it may be.
pub fn axes(plan: &Plan, base: &Recipe) -> Result<Vec<Axis>, String> {
    let base = table(base)?;
    let mut choices = BTreeMap::new();
    lists(&plan.values, "", &mut choices)?;
    ranges(&plan.ranges, "", &base, &mut choices)?;
    if choices.is_empty() {
        return Err("nothing is varied; give lists of values under [values], such as rate = \
                    [0.02, 0.05]"
            .to_string());
    }
    for fixed in ["name", "epochs"] {
        if choices.contains_key(fixed) && (fixed == "name" || plan.method == Method::Halving) {
            let why = if fixed == "name" {
                "trials are named by the sweep"
            } else {
                "halving itself decides how long each trial trains"
            };
            return Err(format!("{fixed} cannot be varied: {why}"));
        }
    }
    Ok(choices.into_iter().map(|(path, choice)| Axis { path, choice }).collect())
}

/// Collects `path = [..]`, with paths in quotes or as nested tables.
fn lists(
    entries: &Table,
    before: &str,
    choices: &mut BTreeMap<String, Choice>,
) -> Result<(), String> {
    for (key, value) in entries {
        let path = format!("{before}{key}");
        match value {
            Value::Array(list) if list.is_empty() => {
                return Err(format!("values: {path} is an empty list; give at least one value"));
            }
            Value::Array(list) => {
                if let Some(twice) =
                    list.iter().enumerate().find(|(at, value)| list[..*at].contains(value))
                {
                    return Err(format!("values: {path} has {} twice", twice.1));
                }
                choices.insert(path, Choice::List(list.clone()));
            }
            Value::Table(inner) => lists(inner, &format!("{path}."), choices)?,
            other => {
                return Err(format!(
                    "values: {path} is {other}, but must be a list of values, such as [{other}]"
                ));
            }
        }
    }
    Ok(())
}

fn ranges(
    entries: &Table,
    before: &str,
    base: &Table,
    choices: &mut BTreeMap<String, Choice>,
) -> Result<(), String> {
    for (key, value) in entries {
        let path = format!("{before}{key}");
        let form = "{ low = 0.01, high = 0.1 }, with scale = \"log\" if wanted";
        let Value::Table(inner) = value else {
            return Err(format!("ranges: {path} is {value}, but must be like {form}"));
        };
        if !inner.contains_key("low") && inner.values().any(Value::is_table) {
            ranges(inner, &format!("{path}."), base, choices)?;
            continue;
        }
        let range = range(inner, find(base, &path))
            .map_err(|what| format!("ranges: {path}: {what}; a range is like {form}"))?;
        if choices.insert(path.clone(), Choice::Range(range)).is_some() {
            return Err(format!("{path} is in both values and ranges; keep one of them"));
        }
    }
    Ok(())
}

/// Reads a range for a value that the recipe has now, if it has one.
fn range(entry: &Table, now: Option<&Value>) -> Result<Range, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Entry {
        low: f64,
        high: f64,
        #[serde(default)]
        scale: Scale,
    }
    let Entry { low, high, scale } =
        Value::Table(entry.clone()).try_into().map_err(|error| toml_error("", &error))?;
    if !(low < high && low.is_finite() && high.is_finite()) {
        return Err(format!("low is {low} and high is {high}, but low must be below high"));
    }
    if scale == Scale::Log && low <= 0.0 {
        return Err(format!("low is {low}, but must be above 0 on a logarithmic scale"));
    }
    // A recipe tells by its own value what it takes; where it has none, the bounds tell.
    let whole = match now {
        Some(value) => value.is_integer(),
        None => {
            entry.get("low").is_some_and(Value::is_integer)
                && entry.get("high").is_some_and(Value::is_integer)
        }
    };
    if whole && (low.fract() != 0.0 || high.fract() != 0.0) {
        return Err(format!("low is {low} and high is {high}, but only whole numbers fit"));
    }
    Ok(Range { low, high, scale, whole })
}

/// All trials of a plan, each with a recipe that is known to be good.
///
/// # Errors
///
/// One line: the trial whose recipe is none, and why; too many trials, or fewer combinations than
/// trials.
pub fn trials(plan: &Plan, base: &Recipe, axes: &[Axis]) -> Result<Vec<Trial>, String> {
    let combinations = if let Some(count) = plan.trials {
        if count > MOST_TRIALS {
            return Err(format!("trials is {count}, but must be at most {MOST_TRIALS}"));
        }
        draw(plan.seed, count, axes)?
    } else {
        grid(axes)?
    };
    let base = table(base)?;
    let trial = |(index, values): (usize, Vec<Value>)| {
        let number = index + 1;
        let mut table = base.clone();
        table.insert("name".to_string(), Value::String(format!("{}-{number}", plan.name)));
        let set = axes
            .iter()
            .zip(&values)
            .try_for_each(|(axis, value)| set(&mut table, &axis.path, value.clone()));
        let recipe = set.and_then(|()| Recipe::from_table(table)).map_err(|what| {
            format!("trial {number} ({}) is no recipe: {what}", describe(axes, &values))
        })?;
        Ok(Trial { number, values, recipe })
    };
    combinations.into_iter().enumerate().map(trial).collect()
}

/// The values of a trial in words.
pub fn describe(axes: &[Axis], values: &[Value]) -> String {
    let parts: Vec<String> =
        axes.iter().zip(values).map(|(axis, value)| format!("{} = {value}", axis.path)).collect();
    parts.join(", ")
}

/// Every combination; the last axis changes fastest.
fn grid(axes: &[Axis]) -> Result<Vec<Vec<Value>>, String> {
    let mut combinations = vec![Vec::new()];
    for axis in axes {
        let Choice::List(list) = &axis.choice else {
            return Err(format!("{} is a range, which has no end of values", axis.path));
        };
        let count = combinations.len() * list.len();
        if count > MOST_TRIALS {
            return Err(format!(
                "the values make more than {MOST_TRIALS} combinations; shorten the lists, or draw \
                 some of them with method = \"random\""
            ));
        }
        let longer = |values: &Vec<Value>| {
            let values = values.clone();
            list.iter().map(move |value| [&values[..], std::slice::from_ref(value)].concat())
        };
        combinations = combinations.iter().flat_map(longer).collect();
    }
    Ok(combinations)
}

/// `count` different combinations. Each has random numbers of its own, so that more trials leave
/// the first ones as they are.
fn draw(seed: u64, count: usize, axes: &[Axis]) -> Result<Vec<Vec<Value>>, String> {
    let mut combinations: Vec<Vec<Value>> = Vec::new();
    for trial in 0..count {
        let mut random = Random::new(seed, Purpose::Sweep, trial as u64);
        let mut one = || -> Vec<Value> {
            let value = |axis: &Axis| match &axis.choice {
                Choice::List(list) => list[random.below(list.len() as u32) as usize].clone(),
                Choice::Range(range) => range.draw(&mut random),
            };
            axes.iter().map(value).collect()
        };
        let new = (0..MOST_DRAWS).map(|_| one()).find(|values| !combinations.contains(values));
        combinations.push(new.ok_or_else(|| {
            format!(
                "trials is {count}, but only {trial} different combinations were found; lower \
                 trials or give more values"
            )
        })?);
    }
    Ok(combinations)
}

/// The recipe as TOML values.
fn table(recipe: &Recipe) -> Result<Table, String> {
    // By way of the text: there an f32 has the digits that a person would write.
    let text = recipe.to_toml();
    text.parse().map_err(|error| toml_error(&text, &error))
}

fn find<'t>(table: &'t Table, path: &str) -> Option<&'t Value> {
    let mut keys = path.split('.');
    let first = table.get(keys.next()?)?;
    keys.try_fold(first, |value, key| value.as_table()?.get(key))
}

/// Puts a value to its place, creating the tables on the way that the recipe does not have.
fn set(table: &mut Table, path: &str, value: Value) -> Result<(), String> {
    let (table, key) = match path.rsplit_once('.') {
        None => (table, path),
        Some((way, key)) => {
            let mut table = table;
            for step in way.split('.') {
                table = table
                    .entry(step)
                    .or_insert_with(|| Value::Table(Table::new()))
                    .as_table_mut()
                    .ok_or_else(|| format!("{path}: {step} has no values below it"))?;
            }
            (table, key)
        }
    };
    table.insert(key.to_string(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Range, Scale, axes, trials};
    use crate::learn::recipe::Recipe;
    use crate::line::sweep::Plan;
    use inkling_data::random::{Purpose, Random};

    fn plan(text: &str) -> Plan {
        Plan::parse(&format!("name = \"p\"\n{text}")).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn quoted_and_nested_paths_are_the_same() {
        let base = Recipe::open("default").expect("built in");
        let quoted = plan("[values]\n\"optimizer.momentum\" = [0.5, 0.75]");
        let nested = plan("[values.optimizer]\nmomentum = [0.5, 0.75]");
        let axes_of = |plan| axes(plan, &base).expect("good axes");
        assert_eq!(axes_of(&quoted), axes_of(&nested));
        let trials = trials(&quoted, &base, &axes_of(&quoted)).expect("good trials");
        assert!(trials[1].recipe.to_toml().contains("momentum = 0.75"));
    }

    #[test]
    fn draws_stay_within_their_range() {
        let mut random = Random::new(0, Purpose::Sweep, 0);
        let log = Range { low: 0.001, high: 1.0, scale: Scale::Log, whole: false };
        let mut below = 0;
        for _ in 0..1000 {
            let value = log.draw(&mut random).as_float().expect("a number");
            assert!((0.001..=1.0).contains(&value), "{value}");
            assert!((log.at(log.place(value)) - value).abs() < 1e-9);
            below += usize::from(value < 0.031_6);
        }
        assert!((400..600).contains(&below), "{below} of 1000 in the lower half of the scale");
        let whole = Range { low: 2.0, high: 5.0, scale: Scale::Linear, whole: true };
        let mut seen = [0; 6];
        for _ in 0..1000 {
            seen[whole.draw(&mut random).as_integer().expect("a whole number") as usize] += 1;
        }
        assert!(seen[..2] == [0, 0] && seen[2..].iter().all(|&count| count > 150), "{seen:?}");
    }

    #[test]
    fn more_trials_leave_the_first_as_they_are() {
        let base = Recipe::open("default").expect("built in");
        let drawn = |count: usize| {
            let plan = plan(&format!(
                "method = \"random\"\ntrials = {count}\n[ranges]\nrate = {{ low = 0.01, high = 1 }}"
            ));
            trials(&plan, &base, &axes(&plan, &base).expect("good axes")).expect("good trials")
        };
        assert_eq!(drawn(3)[..], drawn(8)[..3]);
    }
}

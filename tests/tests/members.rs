//! Sweeps whose runs are processes of their own, as schedulers start them on many machines: whatever
//! their order and whatever is killed or done twice, the result is that of a sweep on one machine.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::sweep::{Bench, text};

const SLURM: &str = "SLURM_ARRAY_TASK_ID";
const KUBERNETES: &str = "JOB_COMPLETION_INDEX";

/// Rounds of 4, 2 and 1 trials with two seeds each.
const HALVING: &str = "method = \"halving\"\ntrials = 4\nseeds = 2\nimages = 100\n[values]\n\
                       \"augmentation.rotation\" = [0.0, 8.0]\n[ranges]\nrate = { low = 0.01, high = \
                       0.1 }\n[halving]\nfactor = 2\nfirst_epochs = 1\n";

/// A command without what schedulers say.
fn command(bench: &Bench, out: &str, more: &[&str]) -> Command {
    let mut command = bench.command("data", out, more);
    command.env_remove(SLURM).env_remove(KUBERNETES);
    command
}

fn member(bench: &Bench, out: &str, round: usize, number: usize) -> Command {
    command(bench, out, &["--round", &round.to_string(), "--member", &number.to_string()])
}

/// The error of a command that must fail with one line.
fn refused(mut command: Command) -> String {
    let output = command.output().expect("the trainer starts");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

/// The table that ends a sweep.
fn table(said: &str) -> &str {
    let begin = said.find("rank").unwrap_or_else(|| panic!("no table in:\n{said}"));
    said[begin..].split("\n\n").next().unwrap_or_default()
}

fn wait(child: Child) -> String {
    text(&child.wait_with_output().expect("a child can be waited for"))
}

/// Kills a member once it has a checkpoint; whether that hit it at work.
fn killed(mut member: Command, run: &Path) -> bool {
    let mut child = member.stdout(Stdio::null()).spawn().expect("the trainer starts");
    let begun = Instant::now();
    while !run.join("checkpoint.bin").exists()
        && !run.join("result.json").exists()
        && begun.elapsed() < Duration::from_secs(60)
    {
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = child.kill();
    child.wait().expect("a child can be waited for");
    !run.join("result.json").exists()
}

#[test]
fn members_in_any_order_give_the_bytes_of_a_local_sweep() {
    let bench = Bench::new("members");
    bench.write(HALVING);
    let local = bench.run("local", &[]);
    let expected = bench.files("local");
    let counts = text(&command(&bench, "out", &["--members"]).output().expect("it starts"));
    assert_eq!(counts, "8\n4\n2\n");
    assert!(!bench.folder.join("out").exists(), "counting has written something");

    let mut rng = fastrand::Rng::new();
    let seed = rng.get_seed();
    let mut interrupted = 0;
    for (index, count) in counts.lines().enumerate() {
        let round = index + 1;
        let mut order: Vec<usize> = (0..count.parse().expect("a number")).collect();
        rng.shuffle(&mut order);
        let last = order.pop().expect("each round has members");
        // All at once in the same empty folder, by all ways to say which.
        let start = |(place, number): (usize, &usize)| {
            let text = number.to_string();
            let round = round.to_string();
            let mut command = match place % 3 {
                0 => command(&bench, "out", &["--round", &round, "--member", &text]),
                1 => command(&bench, "out", &["--round", &round, "--member"]),
                _ => command(&bench, "out", &["--member", &text, "--round", &round]),
            };
            match place % 3 {
                0 => command.env(SLURM, "1234"),
                1 => command.env([SLURM, KUBERNETES][place % 2], &text),
                _ => &mut command,
            };
            command.spawn().expect("the trainer starts")
        };
        let children: Vec<Child> = order.iter().enumerate().map(start).collect();
        for (child, number) in children.into_iter().zip(&order) {
            let said = wait(child);
            assert!(said.contains(&format!("member:   {number} of 0 to ")), "{said}");
        }
        // One is missing: nothing that needs it goes on, and it is named.
        let missing = format!("round {round} has no result of 1 of its {count} members: {last};");
        let error = refused(command(&bench, "out", &["--collect"]));
        assert!(error.contains(&missing), "{error}");
        if round < 3 {
            let error = refused(member(&bench, "out", round + 1, 0));
            assert!(error.contains(&missing), "{error}");
        }
        assert!(!bench.folder.join("out/sweep.json").exists(), "an unfinished sweep was told");
        // The last one is killed before it is through, and repeated.
        let known = |folder: &str| -> Vec<_> {
            let runs = fs::read_dir(bench.folder.join(folder).join("runs")).expect("the runs");
            runs.map(|run| run.expect("a run").file_name()).collect()
        };
        let (done, all) = (known("out"), known("local"));
        let epochs = format!("epochs-{}-", 1 << index);
        let mut open =
            all.iter().filter(|run| run.to_string_lossy().contains(&epochs) && !done.contains(run));
        let run = bench.folder.join("out/runs").join(open.next().expect("one is left"));
        assert_eq!(open.next(), None);
        interrupted += usize::from(killed(member(&bench, "out", round, last), &run));
        text(&member(&bench, "out", round, last).output().expect("it starts"));
    }
    assert!(interrupted > 0, "no kill hit a running member (seed {seed})");

    let collected = text(&command(&bench, "out", &["--collect"]).output().expect("it starts"));
    assert_eq!(table(&collected), table(&local));
    assert!(bench.files("out") == expected, "other bytes than locally (seed {seed})");
    // A member that comes again changes nothing, and either way can go on from the other.
    let said = text(&member(&bench, "out", 2, 1).output().expect("it starts"));
    assert!(said.contains("done before"), "{said}");
    assert_eq!(table(&bench.run("out", &["--resume"])), table(&local));
    text(&command(&bench, "local", &["--collect"]).output().expect("it starts"));
    assert!(bench.files("out") == expected && bench.files("local") == expected);
}

#[test]
fn a_member_that_runs_already_is_waited_for() {
    let bench = Bench::new("members-twice");
    bench.write("[values]\nepochs = [8]\nrate = [0.01, 0.02]\n");
    bench.run("local", &[]);
    // Two processes each for the same two runs, in a folder that is not there yet.
    let children: Vec<Child> = [0, 1, 0, 1]
        .map(|number| member(&bench, "out", 1, number).spawn().expect("it starts"))
        .into_iter()
        .collect();
    let said: Vec<String> = children.into_iter().map(wait).collect();
    for pair in [[&said[0], &said[2]], [&said[1], &said[3]]] {
        let trained = pair.iter().filter(|said| said.contains("validation accuracy")).count();
        assert_eq!(trained, 1, "a run was done {trained} times:\n{}\n{}", pair[0], pair[1]);
    }
    text(&command(&bench, "out", &["--collect"]).output().expect("it starts"));
    assert!(bench.files("out") == bench.files("local"));
}

#[test]
fn what_is_no_member_is_refused_in_one_line() {
    let bench = Bench::new("members-bad");
    bench.write("seeds = 2\n[values]\nrate = [0.01, 0.02]\n");
    let says = |command: Command, part: &str| {
        let error = refused(command);
        assert!(error.contains(part), "{part:?} is missing in {error:?}");
        assert!(!bench.folder.join("out").exists(), "{error}: something was written");
    };
    says(command(&bench, "out", &["--member"]), "give --member K");
    let mut odd = command(&bench, "out", &["--member"]);
    odd.env(SLURM, "one");
    says(odd, "SLURM_ARRAY_TASK_ID is \"one\"");
    says(member(&bench, "out", 1, 4), "--member 4: round 1 has 4 members, 0 to 3");
    says(member(&bench, "out", 2, 0), "--round 2: this sweep has one round");
    says(member(&bench, "out", 0, 0), "--round 0: this sweep has one round");
    says(command(&bench, "out", &["--collect"]), "there is no sweep");

    // Another sweep's folder is no place for a member, nor for its collection.
    text(&member(&bench, "out", 1, 0).output().expect("it starts"));
    let before = bench.files("out");
    bench.write("seeds = 2\n[values]\nrate = [0.01, 0.03]\n");
    for command in [member(&bench, "out", 1, 0), command(&bench, "out", &["--collect"])] {
        let error = refused(command);
        assert!(
            error.contains("holds another sweep: changed since then: the sweep file"),
            "{error}"
        );
    }
    assert!(bench.files("out") == before);
}

/// Puts a program called `name` before all others on the `PATH` of `command`.
#[cfg(unix)]
fn pretend(bench: &Bench, command: &mut Command, name: &str, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    let folder = bench.folder.join("bin");
    fs::create_dir_all(&folder).expect("a test can make folders");
    let path = folder.join(name);
    fs::write(&path, script).expect("a test can write");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a test can");
    let others = std::env::var("PATH").expect("there is a PATH");
    command.env("PATH", format!("{}:{others}", folder.display()));
}

/// A scheduler that runs the members of an array from the last to the first, and refuses jobs whose
/// predecessor is none.
#[cfg(unix)]
const SBATCH: &str = r#"#!/bin/sh
set -e
jobs=$(dirname "$0")/jobs array=none
while :; do
    case $1 in
    --array=0-*) array=${1#--array=0-} ;;
    --dependency=afterok:*) [ "$(tail -n 1 "$jobs")" = "${1##*:}" ] ;;
    --output=*) output=${1#--output=} ;;
    --*) ;;
    *) break ;;
    esac
    shift
done
id=$(($(cat "$jobs" 2>/dev/null | wc -l) + 1))
if [ "$array" = none ]; then
    "$@" >"$output" 2>&1
else
    while [ "$array" -ge 0 ]; do
        SLURM_ARRAY_TASK_ID=$array "$@" >"$(echo "$output" | sed "s/%a/$array/")" 2>&1
        array=$((array - 1))
    done
fi
echo $id >>"$jobs"
echo "$id;cluster"
"#;

/// A cluster that runs the pods of a Job from the last to the first, with what the manifest says.
#[cfg(unix)]
const KUBECTL: &str = r#"#!/bin/sh
set -e
case $1 in
apply)
    cat >"$(dirname "$0")/manifest"
    cd "$(dirname "$0")"
    pods=$(sed -n 's/^  completions: //p' manifest)
    eval set -- "$(sed -n 's/^ *command: \[\(.*\)\]$/\1/p; s/^ *- \(".*"\)$/\1/p' manifest | tr '\n' ' ')"
    cd "$SHARED"
    while [ "$pods" -gt 0 ]; do
        pods=$((pods - 1))
        JOB_COMPLETION_INDEX=$pods "$@" >"$SHARED/log" 2>&1
    done
    ;;
get) printf Complete ;;
logs) cat "$SHARED/log" ;;
esac
"#;

#[cfg(unix)]
#[test]
fn the_script_for_slurm_gives_the_bytes_of_a_local_sweep() {
    let bench = Bench::new("members-slurm");
    bench.write(HALVING);
    let local = bench.run("local", &[]);
    let script = || {
        let mut script = Command::new(tests::root().join("docs/cluster/slurm.sh"));
        script.arg(bench.folder.join("sweep.toml")).arg(bench.folder.join("out"));
        script.args(["--backend", "tract", "--data"]).arg(bench.folder.join("data"));
        script.env("TRAINER", &bench.program).env_remove(SLURM).env_remove(KUBERNETES);
        pretend(&bench, &mut script, "sbatch", SBATCH);
        text(&script.output().expect("the script starts"))
    };
    let said = script();
    for line in ["round 1: 8 members, job 1\n", "round 3: 2 members, job 3\n", "job 4, "] {
        assert!(said.contains(line), "{said}");
    }
    let mut files = bench.files("out");
    let logs: Vec<_> = files.extract_if(.., |path, _| path.starts_with("logs")).collect();
    assert_eq!(logs.len(), 8 + 4 + 2 + 1, "a log for each member and for the table");
    assert!(files == bench.files("local"), "other bytes than locally");
    let collected = bench.file("out", "logs/collect.log");
    assert_eq!(table(&collected), table(&local));
    // What is through is not done again.
    script();
    assert!(bench.file("out", "logs/round-1-member-0.log").contains("done before"));
}

#[cfg(unix)]
#[test]
fn the_manifests_for_kubernetes_give_the_bytes_of_a_local_sweep() {
    let bench = Bench::new("members-kubernetes");
    bench.write("seeds = 2\nimages = 100\n[values]\nepochs = [1]\nrate = [0.01, 0.02]\n");
    let local = bench.run("local", &[]);
    let mut script = Command::new(tests::root().join("docs/cluster/kubernetes.sh"));
    script.args(["sweep.toml", "out", "registry/image:1", "claim"]).current_dir(&bench.folder);
    script.env("TRAINER", &bench.program).env("SHARED", &bench.folder);
    script.env_remove(SLURM).env_remove(KUBERNETES);
    // What the image has: the data where the sweep looks for them, and the backend.
    pretend(
        &bench,
        &mut script,
        "trainer",
        "#!/bin/sh\nexec \"$TRAINER\" \"$@\" --data data --backend tract\n",
    );
    pretend(&bench, &mut script, "kubectl", KUBECTL);
    let said = text(&script.output().expect("the script starts"));
    assert_eq!(table(&said), table(&local));
    assert!(bench.files("out") == bench.files("local"), "other bytes than locally");
}

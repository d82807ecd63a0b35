# shellcheck shell=bash
# For build-guest and fetch-qemu: an apt of our own, which downloads packages of
# another architecture or release as any user, and leaves alone what the
# machine's apt and dpkg know.

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Where this machine has Debian's packages from: one line a place, its address and
# the release there. Not security, which does not keep up every architecture.
debian_places() {
	# shellcheck disable=SC2016  # apt's own variables
	apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' \
		'Origin: Debian' 'Label: Debian' 'Component: main' | uniq
}

# Make in directory $1 an apt for architecture $2, which has no packages installed
# and knows of the places on its input alone, and have it fetch their lists. How to
# reach the network is still the host's to say, so its apt.conf.d is read too, but
# not what it does to this machine after an update. Then use it by -c $1/apt.conf.
make_apt() {
	local apt=$1 architecture=$2

	[ -e "$keyring" ] || die "no $keyring here: run scripts/setup"
	mkdir -p "$apt"/{lists,archives}/partial
	: >"$apt/status"
	sed -n "s|..*|deb [arch=$architecture signed-by=$keyring] & main|p" >"$apt/sources.list"
	[ -s "$apt/sources.list" ] ||
		die "apt has no lists of Debian's packages: run 'apt-get update' as root, or scripts/setup on a fresh machine"
	# Root's downloads are done by the user _apt, who has no access here, and
	# apt would complain of that. Signatures are checked all the same.
	cat >"$apt/apt.conf" <<-END_OF_CONF
		Dir::State "$apt";
		Dir::State::lists "$apt/lists";
		Dir::State::status "$apt/status";
		Dir::Cache "$apt";
		Dir::Cache::archives "$apt/archives";
		Dir::Etc::sourcelist "$apt/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		APT::Architecture "$architecture";
		#clear APT::Architectures;
		APT::Default-Release "";
		APT::Sandbox::User "root";
		Acquire::Languages "none";
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
	END_OF_CONF
	apt-get -qq -c "$apt/apt.conf" update >&2
}

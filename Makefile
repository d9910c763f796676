# Builds and installs all that there is for users, with plain cargo and install(1):
#
#   make install PREFIX=/usr/local [DESTDIR=/tmp/stage]
#
# Without cargo it installs what was built before, so it can be `make PREFIX=/usr/local` as a user and
# then `sudo make install PREFIX=/usr/local`. What it installs:
#
# - the commands ipq-sim and ipq-conformance, with manual pages and shell completions
# - the object that `ipq-sim run --launcher preload` loads
# - libipq for C programs: see ipq-core/Makefile, which installs that alone
#
# And the page of results of this project, as ipq-conformance/results/README.md describes it:
#
#   make results

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
DESTDIR ?=

CARGO ?= cargo
INSTALL ?= install
TARGET_DIR ?= $(abspath $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target))
BUILT := $(TARGET_DIR)/release

COMMANDS := ipq-sim ipq-conformance
BASH := $(DATADIR)/bash-completion/completions
ZSH := $(DATADIR)/zsh/site-functions
FISH := $(DATADIR)/fish/vendor_completions.d
LIBRARY := $(MAKE) -C ipq-core PREFIX=$(PREFIX) LIBDIR=$(LIBDIR) MANDIR=$(MANDIR) DESTDIR=$(DESTDIR) TARGET_DIR=$(TARGET_DIR)

.PHONY: all install uninstall results

# The commands look for the library and the object there, too.
all: export IPQ_LIBDIR = $(LIBDIR)
all:
	CARGO_TARGET_DIR=$(TARGET_DIR) $(CARGO) build --release -p ipq-sim -p ipq-conformance -p ipq-preload
	$(LIBRARY) all

install: $(if $(shell command -v $(CARGO)),all)
	$(LIBRARY) install
	$(INSTALL) -D -m 755 $(BUILT)/libipq_preload.so $(DESTDIR)$(LIBDIR)/libipq_preload.so
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(BASH) $(DESTDIR)$(ZSH) $(DESTDIR)$(FISH)
	for command in $(COMMANDS); do \
		$(INSTALL) -m 755 $(BUILT)/$$command $(DESTDIR)$(BINDIR) && \
		$(BUILT)/$$command manual $(DESTDIR)$(MANDIR)/man1 && \
		$(BUILT)/$$command completions bash > $(DESTDIR)$(BASH)/$$command && \
		$(BUILT)/$$command completions zsh > $(DESTDIR)$(ZSH)/_$$command && \
		$(BUILT)/$$command completions fish > $(DESTDIR)$(FISH)/$$command.fish || exit 1; \
	done

uninstall:
	$(LIBRARY) uninstall
	rm -f $(DESTDIR)$(LIBDIR)/libipq_preload.so
	for command in $(COMMANDS); do \
		rm -f $(DESTDIR)$(BINDIR)/$$command $(DESTDIR)$(MANDIR)/man1/$$command.1 $(DESTDIR)$(MANDIR)/man1/$$command-*.1 \
			$(DESTDIR)$(BASH)/$$command $(DESTDIR)$(ZSH)/_$$command $(DESTDIR)$(FISH)/$$command.fish; \
	done

# The emulated kernels, the newest first.
KERNELS := 3.0 2.6.32 2.6.27 2.6.18 2.4.32 2.4.16 2.4.0
RESULTS := ipq-conformance/results/index.html

results:
	$(CARGO) run -q -p ipq-conformance -- matrix --world nfqueue --world sim $(addprefix --kernel ,$(KERNELS)) \
		--recordings --format html --output $(RESULTS)

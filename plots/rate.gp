
# rate.gp: scaling.gp with operations a second, multiply and add counted as two.
y_column = 'gflops'
y_title = 'GFLOP/s, more is better'
y_text(rate) = rate < 1e6 ? sprintf('%g', rate) : sprintf('%ge6', rate / 1e6)

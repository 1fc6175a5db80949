/* transpose.cl: a matrix turned over, tile by tile through local memory, so that both sides are read and written
 * in rows.
 *
 *     for (y < height) for (x < width) out[x][y] = in[y][x];
 *
 * A work-group of TILE × ROWS items moves a tile of TILE × TILE values. */
#ifndef TILE
#define TILE 16 /* side of a tile */
#define ROWS 4  /* rows of it that are moved at once; divides TILE */
#define PAD 1   /* values behind a row of local memory, against conflicts of its banks */
#endif

__kernel __attribute__((reqd_work_group_size(TILE, ROWS, 1))) void
transpose(__global const float *in, __global float *out, int width, int height) {
    __local float tile[TILE][TILE + PAD];
    const int column = get_local_id(0);
    const int left = get_group_id(0) * TILE, top = get_group_id(1) * TILE;
    for (int row = get_local_id(1); row < TILE; row += ROWS)
        if (left + column < width && top + row < height)
            tile[row][column] = in[(top + row) * width + left + column];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int row = get_local_id(1); row < TILE; row += ROWS)
        if (top + column < height && left + row < width)
            out[(left + row) * height + top + column] = tile[column][row];
}
